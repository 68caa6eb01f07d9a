-- confirm: whether calls of a producer stand here; writes, so that the offset that WAIT goes by lies behind them.
-- KEYS: meta
-- ARGV: clock producer
-- returns: the number of the last call and the first of those that follow one another up to it; nothing where none is known
-- cost: 2 µs
-- flags: allow-oom
local call_key = string.sub(meta, 1, -5) .. 'call:' .. producer
local call, since = string.match(redis.call('GET', call_key) or '', '^(%d+) ~%a+ (%d+) ')
if not call then return {} end
-- The same time to live as it had when it was written.
redis.call('EXPIRE', call_key, 600)
return {call, since}
