-- told_end: writes how a worker's process ended beside what it said of itself.
-- KEYS: presence
-- ARGV: clock how
-- returns: 1, or 0 where nothing is known of the worker
-- cost: 2 µs
-- flags: allow-oom
-- uses:
if redis.call('EXISTS', presence) == 0 then return 0 end
redis.call('HSET', presence, 'ended', how)
return 1
