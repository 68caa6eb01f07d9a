-- breaker_probe: whether a worker may try a dependency: always where its breaker is closed, one at a time where it is open.
-- KEYS: breakers
-- ARGV: clock name worker
-- returns: 'closed', 'probe' or 'wait'; for how many ms (until the next probe, or until another may try beside this one)
-- cost: 5 µs
-- flags: allow-oom
-- uses: now int breaker
local now_ms = math.floor(now() / 1000)
local b = breaker_of(name)
if b.opened_ms == 0 then return {'closed', 0} end
-- A wait further ahead than its own length: the clock was put back.
if b.by ~= 'operator' and b.due_ms > now_ms + math.max(b.wait_ms, 1000) then b.due_ms = now_ms + b.wait_ms end
if b.due_ms > now_ms then return {'wait', b.due_ms - now_ms} end
b.probe, b.due_ms = worker, now_ms + math.max(b.wait_ms, 1000)
keep_breaker(name, b)
return {'probe', b.due_ms - now_ms}
