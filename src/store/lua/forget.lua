-- forget: strikes workers out whose lease has ended and whose claims were all taken back.
-- KEYS: workers handed
-- ARGV: clock names...   names: workers
-- returns: how many were struck out
-- cost: 2 µs a worker; 100 workers a call
-- flags: allow-oom
-- uses: now
local now_ms = math.floor(now() / 1000)
local struck = 0
for at = names_at, #ARGV do
  local name = ARGV[at]
  local lease = tonumber(redis.call('ZSCORE', workers, name))
  local claims = tonumber(redis.call('HGET', handed, name .. '#')) or 0
  -- One that has claims still, or again, is looked at in the next round.
  if lease and lease <= now_ms and claims <= 0 then
    redis.call('HDEL', handed, name, name .. '@', name .. '#')
    redis.call('ZREM', workers, name)
    struck = struck + 1
  end
end
return struck
