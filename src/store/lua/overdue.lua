-- overdue: which workers have let their lease end; a lease further ahead than its own length is cut to it.
-- KEYS: workers handed
-- ARGV: clock
-- returns: the workers
-- cost: 1 µs a worker; 1,000 workers
-- flags: allow-oom
-- uses: now
local now_ms = math.floor(now() / 1000)
local far = redis.call('ZRANGE', workers, now_ms + 1, '+inf', 'BYSCORE', 'LIMIT', 0, 1000, 'WITHSCORES')
for i = 1, #far, 2 do
  local lease_ms = tonumber(string.match(redis.call('HGET', handed, far[i]) or '', '^(%d+)'))
  if lease_ms and tonumber(far[i + 1]) > now_ms + lease_ms then
    redis.call('ZADD', workers, now_ms + lease_ms, far[i])
  end
end
return redis.call('ZRANGE', workers, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, 1000)
