-- limits: how keys stand: what of them runs, what is parked, what limits are their own.
-- KEYS: pending meta
-- ARGV: clock names...   names: keys
-- returns: now in µs; for each key how many of its jobs run, how many are parked, its own limits ('' for none), the time that
--          its rate goes by in µs (0 for none)
-- cost: 3 µs a key; 500 keys a call
-- flags: no-writes
-- uses: now int parked
local base, reply = string.sub(meta, 1, -5), {int(now())}
for at = names_at, #ARGV do
  local key = ARGV[at]
  for _, value in ipairs({int(tonumber(redis.call('HGET', base .. 'running', key)) or 0), size_of(key),
    redis.call('HGET', base .. 'limits', key) or '', int(tonumber(redis.call('HGET', base .. 'paced', key)) or 0)}) do
    reply[#reply + 1] = value
  end
end
return reply
