-- release: gives claimed jobs back to their old place in line; no attempt is used.
-- KEYS: pending active handed config meta events wake
-- ARGV: clock worker freed n jobs...   freed: key and number of the call's claims of each that has one, by blanks; jobs: n ids, n claims
-- returns: for every claim that is not the worker's: its number in the call and how it stands
-- refuses: LAYOUT
-- cost: 2 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count wake emit slots leave rank
-- moves: Release
local now_us = now()
layout()
n = tonumber(n)
local ids, others, places = leave(jobs_at, n)
if #ids == 0 then return others end
for i, place in ipairs(places) do to_rank(ids[i], ARGV[jobs_at + n + place - 1]) end
count(now_us, 'released', #ids)
emit('released', ids, worker)
left(now_us, ids, places)
wake_one()
return others
