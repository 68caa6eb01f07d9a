-- imprint: writes what is set for a queue into one of its partitions, which has its share of it, all anew.
-- KEYS: config meta wake
-- ARGV: clock version values...   version: of the settings; values: field, value
-- returns: 1 where that changed anything, 0 where it stood so, or newer ones do
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
