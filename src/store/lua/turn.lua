-- turn: who moves the jobs of a queue between its partitions, one at a time.
-- KEYS: meta
-- ARGV: clock who lease_ms   lease_ms: how long nobody else has it; 0 gives it back
-- returns: 1 where it is the caller's
-- refuses: LAYOUT
-- cost: 3 µs
-- flags: allow-oom
-- uses: now int layout
local now_ms = math.floor(now() / 1000)
layout()
local holder, until_ms = string.match(redis.call('HGET', meta, 'mover') or '', '^(.*)|(%d+)$')
if holder and holder ~= who and tonumber(until_ms) > now_ms and tonumber(until_ms) < now_ms + 600000 then return 0 end
if lease_ms == '0' then
  redis.call('HDEL', meta, 'mover')
else
  redis.call('HSET', meta, 'mover', who .. '|' .. int(now_ms + tonumber(lease_ms)))
end
return 1
