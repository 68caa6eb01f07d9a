-- trim: removes ended jobs that retention no longer keeps.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead seen config meta events
-- ARGV: clock line
-- returns: how many it removed; 500 or more: there may be more
-- refuses: LAYOUT
-- cost: 4 µs a job; 500 jobs a call
-- flags: allow-oom
-- uses: now int layout count emit drop keep lines
local now_us = now()
layout()
local field = line == 'dead' and 'remove_on_fail' or 'remove_on_complete'
local rule = redis.call('HGET', config, field) or (line == 'dead' and 'never' or '100')
local dropped = keep(math.floor(now_us / 1000), line_of[line], rule, {})
if line == 'dead' and dropped > 0 then
  count(now_us, 'dropped', dropped)
  emit('dropped', {'+' .. dropped}, 'janitor')
end
return dropped
