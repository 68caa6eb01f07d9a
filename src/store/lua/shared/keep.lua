-- keep(now_ms, set, rule, ids): puts ended jobs into `set` and removes what retention no longer keeps: at most 500
-- beyond the new ones a call, the janitor does the rest. Returns the number dropped. Uses drop int.
-- rule: a count, '<n>ms' or 'never'.
local function keep(now_ms, set, rule, ids)
  local count, age_ms = tonumber(rule), tonumber(string.match(rule, '^(%d+)ms$'))
  local kept, surplus, at = {}, {}, int(now_ms)
  local over = count and math.max(0, #ids - count) or 0
  for i = 1, #ids do
    if i <= over then
      surplus[#surplus + 1] = ids[i]
    else
      kept[#kept + 1] = at
      kept[#kept + 1] = ids[i]
    end
  end
  if #kept > 0 then redis.call('ZADD', set, unpack(kept)) end
  local old = {}
  if count then
    local excess = redis.call('ZCARD', set) - count
    if excess > 0 then old = redis.call('ZRANGE', set, 0, math.min(excess, #ids + 500) - 1) end
  elseif age_ms then
    old = redis.call('ZRANGE', set, '-inf', now_ms - age_ms, 'BYSCORE', 'LIMIT', 0, #ids + 500)
  end
  if #old > 0 then
    drop(now_ms, old)
    redis.call('ZREM', set, unpack(old))
  end
  drop(now_ms, surplus)
  return #old + #surplus
end
