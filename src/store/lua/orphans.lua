-- orphans: a stretch of a sorted set: ids without a record leave it, with a count and an event.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events
-- ARGV: clock line first
-- returns: how many ids it looked at (less than 500: that was the end), how many left
-- refuses: LAYOUT
-- cost: 0.5 µs an id; 500 ids a call
-- flags: allow-oom
-- uses: now int layout count arrive emit tally unlock drop lines
local now_us = now()
layout()
local ids, gone = redis.call('ZRANGE', line_of[line], first, first + 499), {}
for _, id in ipairs(ids) do
  if redis.call('HEXISTS', jobs, id) == 0 then gone[#gone + 1] = id end
end
if #gone > 0 then
  unlock(math.floor(now_us / 1000), gone)
  tally(now_us, gone, 'cancelled')
  drop(math.floor(now_us / 1000), gone)
  redis.call('ZREM', line_of[line], unpack(gone))
  count(now_us, 'orphaned', #gone)
  emit('orphaned', gone, 'janitor')
end
return {#ids, #gone}
