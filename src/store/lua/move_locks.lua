-- move_locks: takes unique keys that no job here holds any more, but whose window may be open, out of a place that is being
-- left; while a page is on its way it is told again.
-- KEYS: jobs unique meta leaving
-- ARGV: clock
-- returns: as move_out; nothing where there is none
-- refuses: LAYOUT
-- cost: 3 µs a key; about 250 of them a call
-- flags: allow-oom
-- uses: now int layout luggage
local now_us = now()
layout()
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
if not next(found) then return {} end
number_page(now_us)
for key, lock in pairs(found) do
  redis.call('HSET', leaving, 'l' .. key, cmsgpack.pack({lock[1]}), 'u' .. key, lock[2])
  redis.call('HDEL', unique, key)
end
return on_its_way()
