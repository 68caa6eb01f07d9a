-- snooze: ends claims whose jobs wait for put off by a service that said wait; no attempt is used.
-- KEYS: history active handed scheduled config meta events wake
-- ARGV: clock worker jobs...   jobs: id, claim, delay in ms, history as JSON
-- returns: for every claim that is not the worker's: its number in the call and how it stands
-- refuses: LAYOUT
-- cost: 4 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count wake emit leave
-- moves: Snooze
local now_us = now()
layout()
local places, ids, others = leave(jobs_at, 4)
if #ids == 0 then return others end

local due, told = {}, {}
for n = 1, #ids do
  local at = places[n]
  local level = string.match(ARGV[at + 1], '^%d+|(%d)')
  due[#due + 1] = (math.ceil(now_us / 1000) + ARGV[at + 2]) * 4 + level
  due[#due + 1] = ids[n]
  told[#told + 1] = ids[n]
  told[#told + 1] = ARGV[at + 3]
end
redis.call('HSET', history, unpack(told))
redis.call('ZADD', scheduled, unpack(due))
count(now_us, 'snoozed', #ids)
emit('snoozed', ids, worker)
left(worker, ids)
-- One of them may now be the first that is due.
wake_one()
return others
