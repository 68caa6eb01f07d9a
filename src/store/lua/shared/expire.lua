-- ending(id, why): notes in the history how a job ended where no attempt failed. Needs KEYS history.
local function ending(id, why)
  local told = redis.call('HGET', history, id)
  local body = told and string.sub(told, 1, -2) .. ',' or '{'
  redis.call('HSET', history, id, body .. '"end":"' .. why .. '"}')
end

-- expire_due(now_us, limit): buries waiting jobs that are past their ttl, at most `limit`. Returns how many it looked at.
-- Needs KEYS expiring active scheduled retrying pending dead history config seen jobs crashes keys unique meta events.
-- Uses keep unlock tally emit count parked.
local function expire_due(now_us, limit)
  if redis.call('EXISTS', expiring) == 0 then return 0 end
  local now_ms = math.floor(now_us / 1000)
  local due = redis.call('ZRANGE', expiring, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, limit)
  local ended, lines, gone, apart = {}, {}, {}, {}
  for _, id in ipairs(due) do
    local line = nil
    for _, key in ipairs({pending[1], pending[2], pending[3], pending[4], parked, scheduled, retrying}) do
      if redis.call('ZSCORE', key, id) then line = key end
    end
    if line then
      ending(id, 'expired')
      ended[#ended + 1], lines[#lines + 1] = id, line
      if line == parked then apart[#apart + 1] = id end
    end
    -- A running job is looked at again: it may come back to wait for another attempt.
    if redis.call('HEXISTS', active, id) == 1 then
      redis.call('ZADD', expiring, now_ms + 1000, id)
    else
      gone[#gone + 1] = id
    end
  end
  if #gone > 0 then redis.call('ZREM', expiring, unpack(gone)) end
  if #ended > 0 then
    unindex(apart)
    unlock(now_ms, ended)
    tally(now_us, ended, 'dead')
    local dropped = keep(now_ms, dead, redis.call('HGET', config, 'remove_on_fail') or 'never', ended)
    for n = 1, #ended do redis.call('ZREM', lines[n], ended[n]) end
    count(now_us, 'dropped', dropped)
    count(now_us, 'expired', #ended)
    count(now_us, 'dead', #ended)
    emit('expired', ended, '')
    if dropped > 0 then emit('dropped', {'+' .. dropped}, '') end
  end
  return #due
end
