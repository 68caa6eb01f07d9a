-- settings: changes what is set for a queue, all at once, and tells the workers.
-- KEYS: config meta events wake
-- ARGV: clock mode event who values...   mode: 'set', or 'default' where only what nobody has set; values: field, value
-- returns: how many fields changed; where a queue of several partitions cannot have that, and nothing did, -1 for limits per
--          key, -2 for a concurrency, -3 for a length
-- refuses: LAYOUT
-- cost: 2 µs a field; 20 fields a call
-- flags: allow-oom
-- uses: layout wake emit
local before, changes = {}, {}
for at = values_at, #ARGV, 2 do before[at] = redis.call('HGET', config, ARGV[at]) end
layout()
local parts = redis.call('HMGET', config, 'partitions', 'partitions_next', 'partitions_was')
local most = math.max(tonumber(parts[1]) or 1, tonumber(parts[2]) or 1, tonumber(parts[3]) or 1)
for at = values_at, #ARGV, 2 do
  local field, value = ARGV[at], ARGV[at + 1]
  local per_key = (field == 'key' or field == 'key_concurrency' or field == 'key_rate_us') and value ~= ''
  local too_few = (field == 'concurrency' or field == 'max_length') and (tonumber(value) or most) < most
  if most > 1 and (per_key or too_few) and (mode == 'set' or not before[at]) then
    return per_key and -1 or field == 'concurrency' and -2 or -3
  end
end
for at = values_at, #ARGV, 2 do
  local field, value, old = ARGV[at], ARGV[at + 1], before[at]
  if (field == 'paused' or field == 'protected') and value == '' then
    if redis.call('HDEL', config, field) == 1 then changes[#changes + 1] = field .. '=' end
  elseif old ~= value and (mode == 'set' or not old) then
    redis.call('HSET', config, field, value)
    changes[#changes + 1] = field .. '=' .. value
  end
end
if #changes == 0 then return 0 end
redis.call('HSET', config, 'version', (tonumber(redis.call('HGET', config, 'version')) or 0) + 1)
emit(event, changes, who)
wake_one()
return #changes
