-- snooze: ends claims whose jobs were put off by a service that said wait; no attempt is used.
-- KEYS: history active handed scheduled config meta events wake
-- ARGV: clock worker freed n jobs...   freed: as for release; jobs: n ids, n claims, n delays in ms, n histories as JSON
-- returns: for every claim that is not the worker's: its number in the call and how it stands
-- refuses: LAYOUT
-- cost: 4 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count wake emit slots leave put_off
-- moves: Snooze
local now_us = now()
layout()
n = tonumber(n)
local ids, others, places = put_off(now_us, scheduled)
if #ids == 0 then return others end
count(now_us, 'snoozed', #ids)
emit('snoozed', ids, worker)
left(now_us, ids, places)
-- One of them may now be the first that is due.
wake_one()
return others
