-- vacancy: what a place that is being left still holds.
-- KEYS: jobs pending scheduled retrying active completed cancelled dead unique seen batched outbox schedules leaving
-- ARGV: clock
-- returns: how many jobs wait, with those on their way; how many these are; run; have ended; schedules; and how much else there is: live
--          jobs of batches, jobs for other queues, unique keys, ids that are remembered, records in no set
-- cost: 10 µs
-- flags: no-writes
-- uses:
local on_its_way, ended = redis.call('HLEN', leaving), 0
local waiting = on_its_way
for _, line in ipairs({pending[1], pending[2], pending[3], pending[4], parked, scheduled, retrying}) do
  waiting = waiting + redis.call('ZCARD', line)
end
for _, set in ipairs({completed, cancelled, dead}) do ended = ended + redis.call('ZCARD', set) end
local running = redis.call('HLEN', active)
local rest = redis.call('ZCOUNT', seen, '-inf', '(inf')
for _, hash in ipairs({batched, outbox, unique}) do rest = rest + redis.call('HLEN', hash) end
local records = redis.call('HLEN', jobs)
return {waiting, on_its_way, running, ended, redis.call('HLEN', schedules), rest + math.max(0, records - running - ended - waiting)}
