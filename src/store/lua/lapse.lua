-- lapse: ends the lease of a worker whose process has ended, so that its claims are taken back at once.
-- KEYS: workers
-- ARGV: clock worker
-- returns: 1, or 0 where the worker has none
-- cost: 2 µs
-- flags: allow-oom
-- uses: now
if not redis.call('ZSCORE', workers, worker) then return 0 end
redis.call('ZADD', workers, 'LT', math.floor(now() / 1000), worker)
return 1
