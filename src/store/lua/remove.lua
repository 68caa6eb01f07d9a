-- remove: removes jobs of one state for good, where they are still as they were seen.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events
-- ARGV: clock who line jobs...   jobs: id, score
-- returns: for every job that it left: its number in the call, and whether it is there at all (1) or gone (0)
-- refuses: LAYOUT
-- cost: 6 µs a job; 500 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive emit tally unlock drop lines
-- moves: Remove
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
local ids, gone, names, left = {}, {}, {}, {}
for at = jobs_at, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local same = as_seen(line_of[line], ids, jobs_at + 1, 2)
local base = string.sub(meta, 1, -5)
for n = 1, #ids do
  if same[n] then
    gone[#gone + 1] = ids[n]
    names[#names + 1], names[#names + 2] = base .. 'log:' .. ids[n], base .. 'result:' .. ids[n]
  else
    left[#left + 1], left[#left + 2] = n - 1, redis.call('HEXISTS', jobs, ids[n])
  end
end
if #gone == 0 then return left end
unlock(now_ms, gone)
tally(now_us, gone, 'cancelled')
drop(now_ms, gone)
redis.call('ZREM', line_of[line], unpack(gone))
redis.call('UNLINK', unpack(names))
count(now_us, 'removed', #gone)
-- A clear of a million jobs shall not push everything else out of the events.
emit('removed', #gone > 20 and {'+' .. #gone} or gone, who)
return left
