-- room: whether the server of a place takes anything in; it refuses this where its memory is full.
-- KEYS: meta
-- ARGV: clock
-- returns: 1
-- cost: 1 µs
-- flags:
return 1
