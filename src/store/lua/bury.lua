-- bury: ends claims whose jobs failed for good: they become dead letters.
-- KEYS: jobs history crashes active handed dead unique keys expiring seen config meta events wake
-- ARGV: clock worker freed n jobs...   freed: as for release; jobs: n ids, n claims, n histories as JSON
-- returns: for every claim that is not the worker's: its number in the call and how it stands
-- refuses: LAYOUT
-- cost: 5 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep slots leave
-- moves: Bury
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
n = tonumber(n)
local ids, others, places = leave(jobs_at, n)
if #ids == 0 then return others end

local told = {}
for i, place in ipairs(places) do
  told[2 * i - 1], told[2 * i] = ids[i], ARGV[jobs_at + 2 * n + place - 1]
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
