-- complete: ends claims whose jobs succeeded; keeps what retention says.
-- KEYS: jobs history crashes active handed completed unique keys expiring seen config meta events wake
-- ARGV: clock worker freed n jobs...   freed: as for release; jobs: n ids, n claims, then number (from 0) and result of each that has one
-- returns: for every claim that is not the worker's: its number in the call and how it stands
--          (0: no claim, 1: another's, 2: cancelled)
-- refuses: LAYOUT
-- cost: 1.5 µs a job in batches of 100-500; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep slots leave
-- moves: Complete
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
n = tonumber(n)
local ids, others, places = leave(jobs_at, n)
if #ids == 0 then return others end

local rules = redis.call('HMGET', config, 'remove_on_complete', 'events')
local lost = {}
for at = 1, #others, 2 do lost[others[at]] = true end
for at = jobs_at + 2 * n, #ARGV, 2 do
  local number = tonumber(ARGV[at])
  local key = string.sub(meta, 1, -5) .. 'result:' .. ARGV[jobs_at + number]
  if not lost[number] then redis.call('SET', key, ARGV[at + 1], 'EX', 3600) end
end
unlock(now_ms, ids)
tally(now_us, ids, 'completed')
keep(now_ms, completed, rules[1] or '100', ids)
count(now_us, 'completed', #ids)
if rules[2] == 'all' then emit('completed', ids, worker) end
left(now_us, ids, places)
return others
