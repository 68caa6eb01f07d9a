-- breaker_failed: counts a failure of a dependency; opens its breaker at the limit, lets it wait longer after a probe.
-- KEYS: breakers
-- ARGV: clock name worker failures window_ms first_ms most_ms said   failures: that open it, in a row, none longer than the
--       window after the one before; first_ms: until the first probe; most_ms: the longest wait between two; said: code and
--       message
-- returns: 1 where it is open now, 1 where this failure has opened it, in how many ms it may be probed
-- cost: 5 µs
-- flags: allow-oom
-- uses: now int breaker
local now_ms = math.floor(now() / 1000)
local b = breaker_of(name)
local opens = 0
if b.opened_ms == 0 then
  -- Whoever thinks up hosts must not fill the server.
  if b.failures == 0 and redis.call('HLEN', breakers) >= 1000 then return {0, 0, 0} end
  b.failures = now_ms - b.last_ms > tonumber(window_ms) and 1 or b.failures + 1
  if b.failures >= tonumber(failures) then
    opens = 1
    b.opened_ms, b.wait_ms, b.due_ms, b.by = now_ms, tonumber(first_ms), now_ms + first_ms, worker
  end
else
  b.failures = b.failures + 1
  if b.probe == worker then
    b.wait_ms = math.min(math.max(b.wait_ms * 2, tonumber(first_ms)), tonumber(most_ms))
    b.due_ms, b.probe = now_ms + b.wait_ms, ''
  end
end
b.last_ms, b.said = now_ms, said
keep_breaker(name, b)
return {b.opened_ms > 0 and 1 or 0, opens, math.max(0, b.due_ms - now_ms)}
