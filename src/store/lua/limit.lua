-- limit: sets or unsets a key's own limits, and lets its parked jobs be looked at now.
-- KEYS: config meta events wake
-- ARGV: clock who key limits   limits: concurrency|interval of the rate in µs|burst|rate as written; a part is '' for the
--       queue's, 'none' for no limit, '=' for what it is (the interval's stands for all three); all of it '' for no limits of its own
-- returns: 1 where that changed anything; -1 where the queue has several partitions, which cannot have such limits
-- refuses: LAYOUT
-- cost: 10 µs
-- flags: allow-oom
-- uses: now int layout wake emit
local now_us = now()
layout()
local own, unpark = string.sub(meta, 1, -5) .. 'limits', string.sub(meta, 1, -5) .. 'unpark'
local before, parts = redis.call('HGET', own, key) or '', '^([^|]*)|([^|]*)|([^|]*)|(.*)$'
local most, rate_us, burst, rate = string.match(limits, parts)
local old_most, old_us, old_burst, old_rate = string.match(before, parts)
if most == '=' then most = old_most or '' end
if rate_us == '=' then rate_us, burst, rate = old_us or '', old_burst or '', old_rate or '' end
limits = most and table.concat({most, rate_us, burst, rate}, '|') or ''
if limits == '|||' then limits = '' end
if before == limits then return 0 end
local spread = redis.call('HMGET', config, 'partitions', 'partitions_next', 'partitions_was')
for n = 1, 3 do
  if limits ~= '' and (tonumber(spread[n]) or 1) > 1 then return -1 end
end
if limits == '' then redis.call('HDEL', own, key) else redis.call('HSET', own, key, limits) end
if redis.call('EXISTS', own) == 1 then
  redis.call('HSET', config, 'key_own', '1')
else
  redis.call('HDEL', config, 'key_own')
end
redis.call('HSET', config, 'version', (tonumber(redis.call('HGET', config, 'version')) or 0) + 1)
redis.call('ZADD', unpark, 'XX', 'LT', int(math.floor(now_us / 1000)), key)
emit('settings', {'limit:' .. key .. '=' .. limits}, who)
wake_one()
return 1
