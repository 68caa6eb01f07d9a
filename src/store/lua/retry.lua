-- retry: ends claims whose jobs wait for another attempt after a failure.
-- KEYS: history active handed retrying config meta events wake
-- ARGV: clock worker freed n jobs...   freed: as for release; jobs: n ids, n claims, n delays in ms, n histories as JSON
-- returns: for every claim that is not the worker's: its number in the call and how it stands
-- refuses: LAYOUT
-- cost: 4 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count wake emit slots leave put_off
-- moves: Retry
local now_us = now()
layout()
n = tonumber(n)
local ids, others, places = put_off(now_us, retrying)
if #ids == 0 then return others end
count(now_us, 'failed', #ids)
count(now_us, 'retried', #ids)
emit('retrying', ids, worker)
left(now_us, ids, places)
-- One of them may now be the first that is due.
wake_one()
return others
