-- batch_seal: lets a batch take no more jobs; one whose jobs have all ended, or that has none, is over at once.
-- KEYS: jobs meta events
-- ARGV: clock name
-- returns: 1 where it is sealed (also before), 0 where there is none of that name
-- refuses: LAYOUT PARTITIONS
-- cost: 15 µs
-- flags:
-- uses: now int layout count arrive emit tally
local now_us = now()
local key = string.sub(meta, 1, -5) .. 'batch:' .. name
local there = redis.call('HEXISTS', key, 'created_ms')
-- One that is not here may be where this place is left for.
layout(there == 0 and 'here')
if there == 0 then return 0 end
if redis.call('HSETNX', key, 'sealed', '1') == 1 then close_batch(now_us, name) end
return 1
