-- count(now_us, what, n): n more of `what` in the totals and in this minute. Needs KEYS meta; uses int.
local function count(now_us, what, n)
  if n == 0 then return end
  redis.call('HINCRBY', meta, what, n)
  local minute = string.sub(meta, 1, -5) .. 'minute:' .. int(math.floor(now_us / 60000000))
  if redis.call('HINCRBY', minute, what, n) == n then redis.call('EXPIRE', minute, 7200) end
end
