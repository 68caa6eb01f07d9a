-- batch_sweep: forgets the names of batches whose time is over, and with the last one that the queue has batches.
-- KEYS: batches batched meta
-- ARGV: clock first
-- returns: how many names it looked at (less than 500: that was the end), how many it forgot
-- refuses: LAYOUT
-- cost: 1 µs a name; 500 names a call
-- flags: allow-oom
-- uses: layout
layout()
-- While partitions change, what jobs of its batches may yet be counted here.
if not batching or gate then return {0, 0} end
local names, gone = redis.call('ZRANGE', batches, first, first + 499), {}
for _, name in ipairs(names) do
  if redis.call('EXISTS', string.sub(meta, 1, -5) .. 'batch:' .. name) == 0 then gone[#gone + 1] = name end
end
if #gone > 0 then redis.call('ZREM', batches, unpack(gone)) end
if redis.call('EXISTS', batches, batched) == 0 then redis.call('HDEL', meta, 'batches') end
return {#names, #gone}
