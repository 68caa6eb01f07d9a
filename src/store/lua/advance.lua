-- advance: lets scheduled or retrying jobs run now, by hand.
-- KEYS: pending scheduled retrying active completed cancelled dead meta events wake
-- ARGV: clock who line jobs...   jobs: id, score as it was seen
-- returns: for each job the word of the set that holds it now
-- refuses: LAYOUT
-- cost: 6 µs a job; 500 jobs a call
-- flags: allow-oom
-- uses: now int layout arrive wake emit lines
-- moves: Promote
local now_us = now()
layout()
local ids, moved, reply = {}, {}, {}
for at = jobs_at, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local same = as_seen(line_of[line], ids, jobs_at + 1, 2)
local arrival = arrive(now_us, #ids)
for n = 1, #ids do
  if same[n] then
    local level = ARGV[jobs_at + 2 * n - 1] % 4
    redis.call('ZADD', pending[level + 1], arrival + n - 1, ids[n])
    redis.call('ZREM', line_of[line], ids[n])
    moved[#moved + 1] = ids[n]
  end
  reply[n] = where(ids[n])
end
if #moved == 0 then return reply end
emit('promoted', moved, who)
wake_one()
return reply
