-- keep(now_ms, set, rule, ids): puts ended jobs into `set` and removes what retention no longer keeps: at most 500
-- beyond the new ones a call, the janitor does the rest. Returns the number dropped. Uses drop int.
-- rule: a count, '<n>ms' or 'never'.
local function keep(now_ms, set, rule, ids)
  local count, age_ms = tonumber(rule), tonumber(string.match(rule, '^(%d+)ms$'))
  local kept, at, over = {}, int(now_ms), count and math.max(0, #ids - count) or 0
  for i = over + 1, #ids do
    local n = 2 * (i - over)
    kept[n - 1], kept[n] = at, ids[i]
  end
  if over < #ids then redis.call('ZADD', set, unpack(kept)) end
  local old, n = {}, 0
  if count then
    local excess = redis.call('ZCARD', set) - count
    if excess > 0 then old = redis.call('ZRANGE', set, 0, math.min(excess, #ids + 500) - 1) end
  elseif age_ms then
    old = redis.call('ZRANGE', set, '-inf', now_ms - age_ms, 'BYSCORE', 'LIMIT', 0, #ids + 500)
  end
  n = #old
  if n > 0 then redis.call('ZREM', set, unpack(old)) end
  for i = 1, over do old[n + i] = ids[i] end
  drop(now_ms, old)
  return n + over
end
