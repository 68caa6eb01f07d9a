-- breaker_close: forgets the failures of a dependency, which has answered, or an operator says so.
-- KEYS: breakers
-- ARGV: clock name who   who: a worker, `operator`, or `stale:` and the ms without a failure after which a closed one goes
-- returns: 1 where it was open and is closed now, 0 where it was not open, 2 where an operator holds it open
-- cost: 5 µs
-- flags: allow-oom
-- uses: now int breaker
local now_ms = math.floor(now() / 1000)
local b = breaker_of(name)
local stale_ms = tonumber(string.match(who, '^stale:(%d+)$'))
if stale_ms then
  if b.opened_ms == 0 and b.last_ms + stale_ms <= now_ms then redis.call('HDEL', breakers, name) end
  return 0
end
if b.by == 'operator' and who ~= 'operator' and b.probe == '' then return 2 end
redis.call('HDEL', breakers, name)
return b.opened_ms > 0 and 1 or 0
