-- silent_claims(now_ms): the claims named in ARGV (id, claim, history) that stand and whose worker's lease has ended. A worker
-- without any lease gets one of ARGV's lease_ms first. Needs KEYS active workers.
local function silent_claims(now_ms)
  local lost = {}
  for at = jobs_at, #ARGV, 3 do
    local id, claim = ARGV[at], ARGV[at + 1]
    local owner = redis.call('HGET', active, id) == claim and string.match(claim, '|%d+|([^|]*)|[^|]*|[^|]*$')
    local lease = owner and tonumber(redis.call('ZSCORE', workers, owner))
    if owner and not lease then redis.call('ZADD', workers, now_ms + lease_ms, owner) end
    if lease and lease <= now_ms then
      lost[#lost + 1] = {id = id, claim = claim, owner = owner, told = ARGV[at + 2]}
    end
  end
  return lost
end

-- fall(id, limit, alone): counts a crash. One short of the limit a job is handed out alone, so that a further crash is its
-- own; of any other claim nobody knows, so it stops there (at one, where the limit is one), and what was counted under a
-- higher limit stays.
-- Returns the crashes, and whether they bury the job. Needs KEYS crashes.
local function fall(id, limit, alone)
  local before = tonumber(redis.call('HGET', crashes, id)) or 0
  local times = alone and before + 1 or math.max(before, math.min(before + 1, math.max(limit - 1, 1)))
  redis.call('HSET', crashes, id, times)
  return times, alone and times >= limit
end

-- settle(now_us, back, buried, stopped): ends what is not back in line, counts and tells.
-- Needs KEYS jobs dead cancelled config wake events meta; uses ending keep unlock tally count emit wake.
local function settle(now_us, back, buried, stopped)
  local now_ms = math.floor(now_us / 1000)
  local rules = redis.call('HMGET', config, 'remove_on_fail', 'remove_on_complete')
  local dropped = 0
  for _, id in ipairs(buried) do ending(id, 'crash_loop') end
  if #buried > 0 then
    unlock(now_ms, buried)
    tally(now_us, buried, 'dead')
    dropped = keep(now_ms, dead, rules[1] or 'never', buried)
  end
  if #stopped > 0 then
    unlock(now_ms, stopped)
    tally(now_us, stopped, 'cancelled')
    keep(now_ms, cancelled, rules[2] or '100', stopped)
  end
  count(now_us, 'recovered', #back + #buried)
  count(now_us, 'dead', #buried)
  count(now_us, 'dropped', dropped)
  count(now_us, 'cancelled', #stopped)
  emit('recovered', back, worker)
  emit('crash_loop', buried, worker)
  if dropped > 0 then emit('dropped', {'+' .. dropped}, worker) end
  emit('cancelled', stopped, worker)
  local freed = #buried + #stopped > 0 and redis.call('HEXISTS', config, 'concurrency') == 1
  if #back > 0 or freed then wake_one() end
end
