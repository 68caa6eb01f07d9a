-- vacancy: what a place that is being left still holds.
-- KEYS: jobs pending scheduled retrying active completed cancelled dead unique seen batched outbox schedules leaving
-- ARGV: clock
-- returns: how many jobs wait, with those on their way; are in line now; are on their way; run; have ended; schedules; and how
--          much else there is: live jobs of batches, jobs for other queues, unique keys, ids that are remembered, records in no set
-- cost: 10 µs
-- flags: no-writes
-- uses:
local on_its_way, ended = redis.call('HLEN', leaving), 0
local in_line = redis.call('ZCARD', parked)
for n = 1, 4 do in_line = in_line + redis.call('ZCARD', pending[n]) end
local waiting = on_its_way + in_line + redis.call('ZCARD', scheduled) + redis.call('ZCARD', retrying)
for _, set in ipairs({completed, cancelled, dead}) do ended = ended + redis.call('ZCARD', set) end
local running = redis.call('HLEN', active)
local rest = redis.call('ZCOUNT', seen, '-inf', '(inf')
for _, hash in ipairs({batched, outbox, unique}) do rest = rest + redis.call('HLEN', hash) end
local records = redis.call('HLEN', jobs)
return {waiting, in_line, on_its_way, running, ended, redis.call('HLEN', schedules), rest + math.max(0, records - running - ended - waiting)}
