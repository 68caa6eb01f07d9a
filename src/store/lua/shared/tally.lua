-- The keys of batches are computed here: scripts on the path of every job are not handed keys that they hardly ever need.

-- close_batch(now_us, name): ends a batch that is sealed and whose jobs have all ended, once. Its job on completion goes
-- into line here, or for another queue into the outbox, which workers empty. It is kept for a week.
-- Needs KEYS jobs meta events; uses int count arrive emit.
local function close_batch(now_us, name)
  local base = string.sub(meta, 1, -5)
  local key = base .. 'batch:' .. name
  local set = redis.call('HMGET', key, 'total', 'completed', 'dead', 'cancelled', 'sealed', 'finished_ms', 'id', 'queue',
    'record')
  local ended = (set[2] or 0) + (set[3] or 0) + (set[4] or 0)
  if not set[5] or set[6] or ended < tonumber(set[1] or 0) then return end
  redis.call('HSET', key, 'finished_ms', int(math.floor(now_us / 1000)))
  redis.call('EXPIRE', key, 604800)
  local told = {'batch=' .. name}
  if set[7] then
    told[2] = 'job=' .. set[7]
    if set[8] ~= '' then
      redis.call('HSET', base .. 'outbox', set[7], set[8] .. ' ' .. set[9])
    else
      local arrived = int(arrive(now_us, 1))
      redis.call('HSET', jobs, set[7], arrived .. set[9])
      redis.call('ZADD', base .. 'pending:2', arrived, set[7])
      count(now_us, 'enqueued', 1)
      if redis.call('LLEN', base .. 'wake') == 0 then redis.call('LPUSH', base .. 'wake', '1') end
    end
  end
  emit('batch_completed', told, '')
end

-- tally(now_us, ids, how): counts jobs that end (`how`: completed, dead, cancelled) in their batches. A job leaves `batched`
-- with that, so that no repeat and no later end counts it again. Uses layout.
local function tally(now_us, ids, how)
  if not batching or #ids == 0 then return end
  local base = string.sub(meta, 1, -5)
  local names, gone, ended = redis.call('HMGET', base .. 'batched', unpack(ids)), {}, {}
  for n = 1, #ids do
    if names[n] then
      gone[#gone + 1] = ids[n]
      ended[names[n]] = (ended[names[n]] or 0) + 1
    end
  end
  if #gone == 0 then return end
  redis.call('HDEL', base .. 'batched', unpack(gone))
  for name, times in pairs(ended) do
    redis.call('HINCRBY', base .. 'batch:' .. name, how, times)
    close_batch(now_us, name)
  end
end
