-- imprint: writes what is set for a queue into one of its partitions, which has its share of it, all anew.
-- KEYS: jobs config meta wake schedules
-- ARGV: clock version change values...   version: of the settings; change: the number of the last change of partitions that they
--       know of; values: field, value
-- returns: 1 where that changed anything, 0 where it stood so, or newer ones do, or the place is left and holds nothing
-- refuses: LAYOUT
-- cost: 2 µs a field; 20 fields a call
-- flags: allow-oom
-- uses: layout wake
local stands = redis.call('HGETALL', config)
local given, changed = {version = version}, false
for at = values_at, #ARGV, 2 do given[ARGV[at]] = ARGV[at + 1] end
local had = {}
for at = 1, #stands, 2 do had[stands[at]] = stands[at + 1] end
if (tonumber(had.version) or 0) > tonumber(version) then return 0 end
layout()
-- What comes late, after the place was cleared away, leaves nothing there.
local left = gate and string.sub(gate, 1, 1) ~= '<' and (tonumber(redis.call('HGET', meta, 'change')) or 0) >= (tonumber(change) or 0)
if left and redis.call('EXISTS', jobs, schedules) == 0 then return 0 end
for field, value in pairs(given) do
  if had[field] ~= value then
    redis.call('HSET', config, field, value)
    changed = true
  end
end
for field in pairs(had) do
  if not given[field] then
    redis.call('HDEL', config, field)
    changed = true
  end
end
if changed then wake_one() end
return changed and 1 or 0
