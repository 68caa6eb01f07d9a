-- bury: ends claims whose jobs failed for good: they become dead letters.
-- KEYS: jobs history crashes active handed dead unique keys expiring seen config meta events wake
-- ARGV: clock worker freed jobs...   freed: as for release; jobs: id, claim, history as JSON
-- returns: for every claim that is not the worker's: its number in the call and how it stands
-- refuses: LAYOUT
-- cost: 5 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep slots leave
-- moves: Bury
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
local places, ids, others = leave(jobs_at, 3)
if #ids == 0 then return others end

local told = {}
for n = 1, #ids do
  told[#told + 1] = ids[n]
  told[#told + 1] = ARGV[places[n] + 2]
end
redis.call('HSET', history, unpack(told))
unlock(now_ms, ids)
tally(now_us, ids, 'dead')
local dropped = keep(now_ms, dead, redis.call('HGET', config, 'remove_on_fail') or 'never', ids)
count(now_us, 'failed', #ids)
count(now_us, 'dead', #ids)
count(now_us, 'dropped', dropped)
emit('dead', ids, worker)
if dropped > 0 then emit('dropped', {'+' .. dropped}, worker) end
left(now_us, ids, places)
return others
