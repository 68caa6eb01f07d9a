-- choose(line, slots, alone, rule): which jobs of `line` this worker may have. A job that crashed takes a slot, never a
-- place in the prefetch; one crash short of the limit it goes only to a worker that holds nothing, and alone.
-- Returns the part of `line` to claim (with `alone` set where it is such a job), whether any job was passed over, and one
-- that waits for an empty worker, if any.
-- Needs KEYS crashes meta.
local function choose(line, slots, alone, rule)
  if #line == 0 or redis.call('EXISTS', crashes) == 0 then return line, false, nil end
  local ids, chosen, passed, lonely = {}, {}, false, nil
  for i = 1, #line, 3 do ids[#ids + 1] = line[i] end
  local fallen = redis.call('HMGET', crashes, unpack(ids))
  for n = 1, #ids do
    local times = tonumber(fallen[n]) or 0
    local brink = times > 0 and times >= rule.crash_limit - 1
    if brink and alone and #chosen == 0 then
      redis.call('HDEL', meta, 'empties')
      return {line[3 * n - 2], line[3 * n - 1], line[3 * n], alone = true}, true, nil
    elseif brink or (times > 0 and #chosen / 3 >= slots) then
      passed = true
      lonely = lonely or (brink and ids[n]) or nil
    else
      for i = 3 * n - 2, 3 * n do chosen[#chosen + 1] = line[i] end
    end
  end
  return chosen, passed, lonely
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
