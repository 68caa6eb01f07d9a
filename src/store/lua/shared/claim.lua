-- pick(line, places): the jobs of `line` that stand at these places, with what was read of them.
local function pick(line, places)
  return {ids = at_places(line.ids, places), arrivals = at_places(line.arrivals, places),
    levels = at_places(line.levels, places), records = line.records and at_places(line.records, places),
    keys = line.keys and at_places(line.keys, places), limits = line.limits, scattered = line.scattered}
end

-- choose(line, slots, alone, rule): which jobs of `line` this worker may have. A job that crashed takes a slot, never a
-- place in the prefetch; one crash short of the limit it goes only to a worker that holds nothing, and alone.
-- Returns the part of `line` to claim (with `alone` set where it is such a job), whether any job was passed over, and one
-- that waits for an empty worker, if any.
-- Needs KEYS crashes meta.
local function choose(line, slots, alone, rule)
  local ids, places, passed, lonely = line.ids, {}, false, nil
  if #ids == 0 or redis.call('EXISTS', crashes) == 0 then return line, false, nil end
  local fallen = redis.call('HMGET', crashes, unpack(ids))
  for n = 1, #ids do
    local times = tonumber(fallen[n]) or 0
    local brink = times > 0 and times >= rule.crash_limit - 1
    if brink and alone and #places == 0 then
      redis.call('HDEL', meta, 'empties')
      local single = pick(line, {n})
      single.alone = true
      return single, true, nil
    elseif brink or (times > 0 and #places >= slots) then
      passed = true
      lonely = lonely or (brink and ids[n]) or nil
    else
      places[#places + 1] = n
    end
  end
  return pick(line, places), passed, lonely
end

-- runs_empty(now_us, worker, id): whether this worker is the one that takes nothing more until it holds nothing, for the
-- job `id` that must run alone. One worker at a time, for as long as its lease stands and its job waits, so that one job
-- never stills the whole queue. Needs KEYS meta workers crashes active.
local function runs_empty(now_us, worker, id)
  local name, job = string.match(redis.call('HGET', meta, 'empties') or '', '^(.*)|([^|]*)$')
  if name and name ~= worker and tonumber(redis.call('ZSCORE', workers, name) or 0) > now_us / 1000
    and redis.call('HEXISTS', crashes, job) == 1 and redis.call('HEXISTS', active, job) == 0 then return false end
  redis.call('HSET', meta, 'empties', worker .. '|' .. id)
  return true
end
