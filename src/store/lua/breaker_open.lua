-- breaker_open: opens the breaker of a dependency by hand; nobody probes it before the time is over.
-- KEYS: breakers
-- ARGV: clock name for_ms first_ms
-- returns: 1 where it was closed, 0 where it was open already
-- cost: 5 µs
-- flags:
-- uses: now int breaker
local now_ms = math.floor(now() / 1000)
local b = breaker_of(name)
local opens = b.opened_ms == 0
-- An operator holds it since now, however long it has been open for failures.
if opens or b.by ~= 'operator' then b.opened_ms = now_ms end
b.wait_ms, b.due_ms, b.probe, b.by = tonumber(first_ms), now_ms + for_ms, '', 'operator'
keep_breaker(name, b)
return opens and 1 or 0
