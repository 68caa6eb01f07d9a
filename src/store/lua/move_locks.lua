-- move_locks: takes what is known of jobs that are gone out of a place that is being left: unique keys whose window may be
-- open, ids that are remembered, and jobs for other queues; while a page is on its way it is told again.
-- KEYS: jobs unique seen meta outbox leaving
-- ARGV: clock change   change: the number of the change by which the place is left
-- returns: as move_out; nothing where there is none
-- refuses: LAYOUT
-- cost: 3 µs each; about 250 of each a call, of jobs for other queues some ten
-- flags: allow-oom
-- uses: now int layout luggage
local now_us = now()
layout()
-- Who comes late, from a change that is over, takes nothing.
if redis.call('HGET', meta, 'change') ~= change then return {} end
if redis.call('EXISTS', leaving) == 1 then return on_its_way() end
local cursor, looked, found = '0', 0, {}
repeat
  local page = redis.call('HSCAN', unique, cursor, 'COUNT', 250)
  cursor, looked = page[1], looked + #page[2] / 2
  for at = 1, #page[2], 2 do
    local owner = string.match(page[2][at + 1], '^%d+|(.*)$') or ''
    if redis.call('HEXISTS', jobs, owner) == 0 then found[page[2][at]] = {page[2][at + 1], owner} end
  end
until cursor == '0' or next(found) or looked >= 5000
local ids = redis.call('ZRANGE', seen, '-inf', '(inf', 'BYSCORE', 'LIMIT', 0, 250, 'WITHSCORES')
local out = redis.call('HSCAN', outbox, '0', 'COUNT', 10)[2]
if not next(found) and #ids + #out == 0 then return {} end
number_page(now_us)
for at = 1, #out, 2 do
  redis.call('HSET', leaving, 'o' .. out[at], cmsgpack.pack({out[at + 1]}))
  redis.call('HDEL', outbox, out[at])
end
for at = 1, #ids, 2 do
  redis.call('HSET', leaving, 'n' .. ids[at], cmsgpack.pack({ids[at + 1]}))
  redis.call('ZREM', seen, ids[at])
end
for key, lock in pairs(found) do
  redis.call('HSET', leaving, 'l' .. key, cmsgpack.pack({lock[1]}), 'u' .. key, lock[2])
  redis.call('HDEL', unique, key)
end
return on_its_way()
