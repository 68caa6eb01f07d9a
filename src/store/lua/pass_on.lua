-- pass_on: leaves the wake-up token that a worker took and has no use for to another.
-- KEYS: wake
-- ARGV: clock
-- returns: nothing
-- cost: 2 µs
-- flags: allow-oom
-- uses: wake
wake_one()
