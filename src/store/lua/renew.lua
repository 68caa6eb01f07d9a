-- renew: extends a worker's lease and tells which of the claims that it names are no longer its own.
-- KEYS: active workers handed config wake
-- ARGV: clock worker lease_ms n jobs...   jobs: n ids, n claims
-- returns: the number of claims that the queue counts for it; then for every named claim that is not its own: its number
--          in the call and how it stands (0: no claim, 1: another's, 2: cancelled)
-- cost: 0.5 µs a claim; 1,000 claims a call
-- flags: allow-oom
-- uses: now wake leave
local now_us = now()
redis.call('ZADD', workers, math.floor(now_us / 1000) + lease_ms, worker)
local _, others = leave(jobs_at, tonumber(n))
return {tonumber(redis.call('HGET', handed, worker .. '#')) or 0, unpack(others)}
