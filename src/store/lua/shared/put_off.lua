-- put_off(now_us, into): the worker's claims named in ARGV (id, claim, delay in ms, history, from jobs_at on) wait in the set
-- `into` for the end of their delay. Returns their ids, which are still active, the answer as of leave, and their places.
-- Needs KEYS history; uses leave.
local function put_off(now_us, into)
  local places, ids, others = leave(jobs_at, 4)
  if #ids == 0 then return ids, others, places end
  local due, told = {}, {}
  for n = 1, #ids do
    local at = places[n]
    local level = string.match(ARGV[at + 1], '^%d+|(%d)')
    due[#due + 1] = (math.ceil(now_us / 1000) + ARGV[at + 2]) * 4 + level
    due[#due + 1] = ids[n]
    told[#told + 1] = ids[n]
    told[#told + 1] = ARGV[at + 3]
  end
  redis.call('HSET', history, unpack(told))
  redis.call('ZADD', into, unpack(due))
  return ids, others, places
end
