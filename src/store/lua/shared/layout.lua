-- layout(): refuses to write into a queue that another layout of the keys wrote; marks a new queue with ours. The same
-- read tells whether the queue has batches. Needs KEYS meta.
local batching = false
local function layout()
  local found = redis.call('HMGET', meta, 'layout', 'batches')
  batching = found[2]
  if found[1] == '1' then return end
  if found[1] then error({err = 'LAYOUT this queue is stored in layout ' .. found[1] .. ', this version writes layout 1'}) end
  redis.call('HSET', meta, 'layout', '1')
end
