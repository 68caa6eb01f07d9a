-- note: writes an entry of the audit, also where memory is full: a full server can be drained, and that is written down too.
-- KEYS: audit
-- ARGV: clock kept values...   kept: about so many entries stay; values: field, value
-- returns: nothing
-- cost: 5 µs
-- flags: allow-oom
-- uses:
redis.call('XADD', audit, 'MAXLEN', '~', kept, '*', unpack(ARGV, values_at))
