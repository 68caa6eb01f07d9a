-- spread: one step of a change of the number of partitions, in the settings of the queue; done once however often it is said.
-- KEYS: config meta events wake
-- ARGV: clock step change number who told   step: 'intend', 'renumber', 'say', 'ease', 'lift', 'settle', 'forget', 'raise';
--       change: its number ('' for intend, which gives it); number: of partitions; told: for intend and renumber a change that a
--       place knows, which this one shall be above; for lift how many jobs that run in the former partitions belong to each new
--       one; for settle what partitions_counted is; for raise a version that the settings shall be above; '' for none
-- returns: '+' and the number of the change; where it is not begun '=' it has so many, 'moving' another is under way, or what
--          keeps it from being begun: 'key', 'concurrency', 'max_length'; '-' that change is no more
-- refuses: LAYOUT
-- cost: 10 µs
-- flags: allow-oom
-- uses: now int layout wake emit
local now_us = now()
layout()
local set = redis.call('HMGET', config, 'partitions', 'partitions_was', 'partitions_next', 'partitions_change', 'version')
local now_has, was, next, known = set[1] or '1', set[2], set[3], set[4]
local above = int(math.max((tonumber(known) or 0) + 2, (tonumber(told) or 0) + 2, now_us))
if step == 'intend' then
  if told ~= '' and (tonumber(known) or 0) >= tonumber(told) then return '=' end
  if next or was then return (next or now_has) == number and '+' .. known or 'moving' end
  if now_has == number then return '=' end
  local limits = redis.call('HMGET', config, 'key', 'key_own', 'key_concurrency', 'key_rate', 'concurrency', 'max_length')
  for n = 1, 4 do if (limits[n] or '') ~= '' and number ~= '1' then return 'key' end end
  if (tonumber(limits[5]) or math.huge) < tonumber(number) then return 'concurrency' end
  if (tonumber(limits[6]) or math.huge) < tonumber(number) then return 'max_length' end
  known = above
  redis.call('HSET', config, 'partitions_next', number, 'partitions_change', known)
elseif known ~= change or next ~= number and (step == 'renumber' or step == 'say') then
  return '-'
elseif step == 'forget' then
  local until_ms = tonumber(redis.call('HGET', config, 'partitions_seen'))
  if until_ms and until_ms * 1000 < now_us then redis.call('HDEL', config, 'partitions_seen', 'partitions_counted') end
  return '+' .. known -- Nobody changes what workers know by that.
elseif step == 'renumber' then
  known = above
  redis.call('HSET', config, 'partitions_change', known)
elseif step == 'say' then
  -- The new partitions wait until those before them have nothing in line, so that order keys keep their order.
  redis.call('HSET', config, 'partitions', number, 'partitions_was', now_has, 'partitions_held', '1', 'partitions_seen', 'inf')
  redis.call('HDEL', config, 'partitions_next')
  if number == '1' then redis.call('HSET', config, 'held', '1') end
  emit('settings', {'partitions=' .. number}, who)
elseif step == 'raise' then
  set[5] = math.max(tonumber(set[5]) or 0, tonumber(told))
elseif step ~= 'settle' and not was then
  return '-'
elseif step == 'ease' then
  redis.call('HSET', config, 'partitions_eased', '1')
  if was == '1' then redis.call('HSET', config, 'held', '1') end
elseif step == 'lift' then
  redis.call('HDEL', config, 'partitions_held', 'partitions_busy')
  if told ~= '' then redis.call('HSET', config, 'partitions_busy', told) end
  if number == '1' then redis.call('HDEL', config, 'held') end
elseif step == 'settle' then
  redis.call('HDEL', config, 'partitions_was', 'partitions_held', 'partitions_eased', 'partitions_busy', 'held')
  redis.call('HSET', config, 'partitions_seen', int(math.floor(now_us / 1000) + 86400000), 'partitions_counted', told)
end
redis.call('HSET', config, 'version', (tonumber(set[5]) or 0) + 1)
wake_one()
return '+' .. known
