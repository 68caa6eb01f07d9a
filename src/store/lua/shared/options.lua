-- options(text, now_us): what a new job's options say. `plain` is set where nothing differs from the defaults.
local plain = {level = 2, plain = true}
local function options(text, now_us)
  if text == '' then return plain end
  local level, due, ttl_ms, chosen, unless, window_ms, batch, key =
    string.match(text, '^(%d)|([^|]*)|(%d*)|(%d?)|(%d?)|(%d*)|([^|]*)|(.*)$')
  local job = {level = tonumber(level), ttl_ms = tonumber(ttl_ms), chosen = chosen == '1', window_ms = tonumber(window_ms)}
  local sign, ms = string.sub(due, 1, 1), tonumber(string.sub(due, 2))
  if sign == '+' then job.due_ms = math.ceil(now_us / 1000) + ms end
  if sign == '@' and ms * 1000 > now_us then job.due_ms = ms end
  if batch ~= '' then job.batch = batch end
  if key ~= '' then job.unique = key end
  if unless == '1' then job.unless_queued = true end
  return job
end

-- holder_of(key, now_ms): the live job that holds a unique key, or the last one while its window is open; else nothing.
-- Needs KEYS unique pending scheduled retrying active.
local function holder_of(key, now_ms)
  local lock = key and redis.call('HGET', unique, key)
  if not lock then return nil end
  local window, owner = string.match(lock, '^(%d+)|(.*)$')
  if not owner then return nil end
  if tonumber(window) > now_ms or redis.call('HEXISTS', active, owner) == 1 then return owner end
  for _, line in ipairs({pending[1], pending[2], pending[3], pending[4], parked, scheduled, retrying}) do
    if redis.call('ZSCORE', line, owner) then return owner end
  end
  return nil
end

-- barred_by(job, added, now_ms): the job for which a new one is not added: the holder of its unique key; where it asks for
-- an empty queue, `added`, which this call has added before it, or one that waits or runs. Needs what holder_of does.
local function barred_by(job, added, now_ms)
  if not job.unless_queued then return holder_of(job.unique, now_ms) end
  if added then return added end
  for _, line in ipairs({pending[1], pending[2], pending[3], pending[4], parked, scheduled, retrying}) do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    if first then return first end
  end
  return redis.call('HRANDFIELD', active) or holder_of(job.unique, now_ms)
end

-- mark(id, job, now_ms): takes the unique key, notes the expiry and a chosen id. Needs KEYS unique keys expiring seen.
local function mark(id, job, now_ms)
  if job.unique then
    redis.call('HSET', unique, job.unique, string.format('%.0f|', job.window_ms and now_ms + job.window_ms or 0) .. id)
    redis.call('HSET', keys, id, job.unique)
  end
  if job.ttl_ms then redis.call('ZADD', expiring, now_ms + job.ttl_ms, id) end
  if job.chosen then redis.call('ZADD', seen, 'inf', id) end
end
