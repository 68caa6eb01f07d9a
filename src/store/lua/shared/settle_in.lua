-- own_id(id, from, record): an id that nobody has here, for a job of the place `from` whose own another job has; nil where it
-- is here under such a one. Needs KEYS jobs seen.
local function own_id(id, from, record)
  -- Ids have 128 characters at most.
  local stem = (#id > 112 and string.sub(id, 1, 72) .. redis.sha1hex(id) or id) .. '@' .. string.gsub(from, '/', '-of-', 1)
  local name, n = stem, 1
  while redis.call('HEXISTS', jobs, name) == 1 or redis.call('ZSCORE', seen, name) do
    if redis.call('HGET', jobs, name) == record then return nil end
    n = n + 1
    name = stem .. '-' .. n
  end
  return name
end

-- take_job(job, from, now_us): takes in a job of the place `from`. The id that it goes by here where that is another:
-- places know only their own ids, so two jobs of one id may have been accepted, and both are kept. Needs what back and
-- options do and KEYS batched meta seen; uses back options.
local function take_job(job, from, now_us)
  local id, key, batch = job[1], job[7], job[13]
  local there = redis.call('HGET', jobs, id)
  -- The same arrival and text: it is here.
  if there and there == job[4] then return nil end
  local holder = key ~= '' and holder_of(key, math.floor(now_us / 1000))
  if holder and holder ~= id then job[7], job[8] = '', '' end
  if there then
    job[1] = own_id(id, from, job[4])
    if not job[1] then return nil end
    -- What holds the key may be the other job.
    if holder == id then job[7], job[8] = '', '' end
    local window = string.match(job[8], '^(%d+)|')
    if window then job[8] = window .. '|' .. job[1] end
  end
  if batch ~= '' then
    redis.call('HSET', batched, job[1], batch)
    redis.call('HSET', meta, 'batches', '1')
  end
  put_back(job)
  return there and job[1] or nil
end
