-- layout(adds): refuses to write into a queue that another layout of the keys wrote; marks a new queue with ours. The same
-- read tells whether the queue has batches, and whether it is spread over partitions elsewhere: what adds a job is refused
-- here then, what is about the jobs that still are here is not. Needs KEYS meta.
local batching = false
local function layout(adds)
  local found = redis.call('HMGET', meta, 'layout', 'batches', 'partitions')
  batching = found[2]
  if adds and found[3] then error({err = 'PARTITIONS the jobs of this queue are spread over partitions: ' .. found[3]}) end
  if found[1] == '1' then return end
  if found[1] then error({err = 'LAYOUT this queue is stored in layout ' .. found[1] .. ', this version writes layout 1'}) end
  redis.call('HSET', meta, 'layout', '1')
end
