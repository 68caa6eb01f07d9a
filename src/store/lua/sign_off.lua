-- sign_off: a worker that holds nothing signs off.
-- KEYS: workers handed
-- ARGV: clock worker
-- returns: 1 where it is gone, 0 where the queue still counts claims of it
-- cost: 3 µs
-- flags: allow-oom
-- uses:
if (tonumber(redis.call('HGET', handed, worker .. '#')) or 0) > 0 then return 0 end
redis.call('HDEL', handed, worker, worker .. '@', worker .. '#')
redis.call('ZREM', workers, worker)
return 1
