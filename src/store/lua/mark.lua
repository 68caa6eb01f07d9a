-- mark: writes into the events of a queue what happened beside its jobs.
-- KEYS: meta events
-- ARGV: clock event about who
-- returns: nothing
-- refuses: LAYOUT
-- cost: 3 µs
-- flags: allow-oom
-- uses: layout emit
layout()
emit(event, {about}, who)
