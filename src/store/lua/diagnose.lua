-- diagnose: what an examination of a queue needs beside its statistics, at one instant.
-- KEYS: pending scheduled retrying active workers handed unique
-- ARGV: clock claims locks   claims, locks: how many of each are looked at, 100 at most
-- returns: now in µs; the number of claims; each worker with the end of its lease and its claims; ids and claims of a
--          sample; the number of unique locks, how many were looked at and how many of them have
--          held nothing for two minutes
-- cost: 0.2 ms and 2 µs a worker; 1,000 workers
-- flags: no-writes
-- uses: now int options
local now_us = now()
local now_ms = math.floor(now_us / 1000)
local leases, holders = redis.call('ZRANGE', workers, 0, 999, 'WITHSCORES'), {}
for at = 1, #leases, 2 do
  local held = redis.call('HGET', handed, leases[at] .. '#') or '0'
  for _, value in ipairs({leases[at], int(tonumber(leases[at + 1])), held}) do holders[#holders + 1] = value end
end

-- The janitor of a worker comes round every minute: what it had no time for yet is no leak.
local leaked, sample = 0, redis.call('HRANDFIELD', unique, locks)
for _, key in ipairs(sample) do
  if not holder_of(key, now_ms - 120000) then leaked = leaked + 1 end
end
return {int(now_us), redis.call('HLEN', active), holders, redis.call('HRANDFIELD', active, claims, 'WITHVALUES'),
  redis.call('HLEN', unique), #sample, leaked}
