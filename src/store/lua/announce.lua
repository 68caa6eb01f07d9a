-- announce: writes what a worker says of itself, and for how long that holds.
-- KEYS: presence
-- ARGV: clock ttl_secs values...   values: field, value
-- returns: nothing
-- cost: 5 µs
-- flags: allow-oom
-- uses:
redis.call('HSET', presence, unpack(ARGV, values_at))
redis.call('EXPIRE', presence, ttl_secs)
