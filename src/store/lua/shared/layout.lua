-- layout(): refuses to write into a queue that another layout of the keys wrote; marks a new queue with ours.
-- Needs KEYS meta.
local function layout()
  local found = redis.call('HGET', meta, 'layout')
  if found == '1' then return end
  if found then error({err = 'LAYOUT this queue is stored in layout ' .. found .. ', this version writes layout 1'}) end
  redis.call('HSET', meta, 'layout', '1')
end
