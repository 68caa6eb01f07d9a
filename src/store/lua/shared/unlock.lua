-- unlock(now_ms, ids): gives back the unique keys of ended jobs, but for those whose window is still open, and forgets
-- that they could expire. Needs KEYS keys unique expiring.
local function unlock(now_ms, ids)
  if redis.call('EXISTS', expiring) == 1 then redis.call('ZREM', expiring, unpack(ids)) end
  if redis.call('EXISTS', keys) == 0 then return end
  local held = redis.call('HMGET', keys, unpack(ids))
  for i = 1, #ids do
    if held[i] then
      local lock = redis.call('HGET', unique, held[i])
      local window, owner = string.match(lock or '', '^(%d+)|(.*)$')
      if owner == ids[i] and tonumber(window) <= now_ms then redis.call('HDEL', unique, held[i]) end
      redis.call('HDEL', keys, ids[i])
    end
  end
end
