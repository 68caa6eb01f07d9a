-- layout(adds): refuses to write into a queue that another layout of the keys wrote; marks a new queue with ours. The same
-- read tells whether the queue has batches, and whether this place takes jobs (`gate`): all where nothing stands there; none
-- where it is being left for so many partitions; '<N' where jobs come in from N partitions. `adds`: nothing where the call is
-- about jobs that are here; 'adds' where no other place may know the job; 'here' where that is all the same; '<N' where the
-- places of N partitions were asked. Needs KEYS meta.
local batching, gate = false, false
local function layout(adds)
  local found = redis.call('HMGET', meta, 'layout', 'batches', 'partitions')
  batching, gate = found[2], found[3]
  if adds and gate and adds ~= gate and (adds ~= 'here' or string.sub(gate, 1, 1) ~= '<') then
    error({err = 'PARTITIONS the jobs of this queue are spread over partitions: ' .. gate})
  end
  if found[1] == '1' then return end
  if found[1] then error({err = 'LAYOUT this queue is stored in layout ' .. found[1] .. ', this version writes layout 1'}) end
  redis.call('HSET', meta, 'layout', '1')
end
