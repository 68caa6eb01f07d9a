-- put_off(now_us, into): the worker's claims named in ARGV (n ids, claims, delays in ms, histories, from jobs_at on) wait in the set
-- `into` for the end of their delay. Returns their ids, which are still active, the answer as of leave, and their places.
-- Needs KEYS history; uses leave.
local function put_off(now_us, into)
  local ids, others, places = leave(jobs_at, n)
  if #ids == 0 then return ids, others, places end
  local due, told = {}, {}
  for i, place in ipairs(places) do
    local at = jobs_at + n + place - 1
    local level = string.match(ARGV[at], '^%d+|(%d)')
    due[2 * i - 1], due[2 * i] = int((math.ceil(now_us / 1000) + ARGV[at + n]) * 4 + level), ids[i]
    told[2 * i - 1], told[2 * i] = ids[i], ARGV[at + 2 * n]
  end
  redis.call('HSET', history, unpack(told))
  redis.call('ZADD', into, unpack(due))
  return ids, others, places
end
