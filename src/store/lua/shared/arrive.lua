-- arrive(now_us, n): the first of n arrival times in a row, each given once and never again. Needs KEYS meta.
local function arrive(now_us, n)
  local last = tonumber(redis.call('HGET', meta, 'arrival')) or 0
  local first = math.max(now_us, last + 1)
  redis.call('HSET', meta, 'arrival', first + n - 1)
  return first
end
