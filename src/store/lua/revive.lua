-- revive: brings dead letters back into line or among the scheduled jobs; attempts and crashes begin anew.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring meta events wake
-- ARGV: clock who delay_ms jobs...   jobs: id, time of burial, history as it was seen, history from now on, level, ttl_ms, unique
--       key ('' for none); delay_ms: '' for at once
-- returns: for each job '+' where it is revived, '=<id>' that job holds its unique key, '?' it has no record,
--          '-<word>' it is no dead letter as it was seen, but stands there (nothing where it is gone)
-- refuses: LAYOUT PARTITIONS
-- cost: 15 µs a job; 200 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit options lines
-- moves: Revive
local now_us = now()
local now_ms = math.floor(now_us / 1000)
local ids, moved, reply, keyed = {}, {}, {}, false
for at = jobs_at, #ARGV, 7 do
  ids[#ids + 1] = ARGV[at]
  keyed = keyed or ARGV[at + 6] ~= ''
end
layout(keyed and 'adds' or 'here')
local same = as_seen(dead, ids, jobs_at + 1, 7)
local arrival = arrive(now_us, #ids)
local due_ms = delay_ms ~= '' and math.ceil(now_us / 1000) + delay_ms
for n, id in ipairs(ids) do
  local before, after, level, ttl_ms, key = unpack(ARGV, jobs_at + 7 * n - 5, jobs_at + 7 * n - 1)
  local holder = same[n] and key ~= '' and holder_of(key, now_ms)
  if not same[n] or (redis.call('HGET', history, id) or '') ~= before then
    reply[n] = '-' .. where(id)
  elseif redis.call('HEXISTS', jobs, id) == 0 then
    reply[n] = '?'
  elseif holder and holder ~= id then
    reply[n] = '=' .. holder
  else
    redis.call('HSET', history, id, after)
    if due_ms then redis.call('ZADD', scheduled, due_ms * 4 + level, id) end
    if not due_ms then redis.call('ZADD', pending[level + 1], arrival + n - 1, id) end
    if key ~= '' and not holder then redis.call('HSET', unique, key, '0|' .. id) end
    if key ~= '' then redis.call('HSET', keys, id, key) end
    if ttl_ms ~= '' then redis.call('ZADD', expiring, now_ms + ttl_ms, id) end
    redis.call('HDEL', crashes, id)
    redis.call('ZREM', dead, id)
    moved[#moved + 1], reply[n] = id, '+'
  end
end
if #moved == 0 then return reply end
count(now_us, 'revived', #moved)
emit('revived', moved, who)
wake_one()
return reply
