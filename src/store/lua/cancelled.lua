-- cancelled: a worker acknowledges that it has stopped the processors of cancelled jobs.
-- KEYS: jobs history crashes active handed cancelled unique keys expiring seen config meta events wake
-- ARGV: clock worker freed n jobs...   freed: as for release; jobs: n ids, n claims as the worker knows them
-- returns: how many it was about
-- refuses: LAYOUT
-- cost: 5 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep slots leave
-- moves: Cancel
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
n = tonumber(n)
local _, others = leave(jobs_at, n)
local ids, places = {}, {}
for i = 1, #others, 2 do
  if others[i + 1] == 2 then
    places[#places + 1] = others[i] + 1
    ids[#ids + 1] = ARGV[jobs_at + others[i]]
  end
end
if #ids == 0 then return 0 end
unlock(now_ms, ids)
tally(now_us, ids, 'cancelled')
keep(now_ms, cancelled, redis.call('HGET', config, 'remove_on_complete') or '100', ids)
count(now_us, 'cancelled', #ids)
emit('cancelled', ids, worker)
left(now_us, ids, places)
return #ids
