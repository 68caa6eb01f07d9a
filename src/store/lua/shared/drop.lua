-- drop(now_ms, ids): removes records and what belongs to them; ids chosen by users are remembered for a day.
-- Needs KEYS jobs history crashes seen.
local function drop(now_ms, ids)
  if #ids == 0 then return end
  redis.call('HDEL', jobs, unpack(ids))
  if redis.call('EXISTS', history) == 1 then redis.call('HDEL', history, unpack(ids)) end
  if redis.call('EXISTS', crashes) == 1 then redis.call('HDEL', crashes, unpack(ids)) end
  if redis.call('EXISTS', seen) == 1 then
    local until_ms = {}
    for i = 1, #ids do
      until_ms[2 * i - 1] = now_ms + 86400000
      until_ms[2 * i] = ids[i]
    end
    redis.call('ZADD', seen, 'XX', unpack(until_ms))
  end
end
