-- to_rank(id, claim): puts a job back to the place in line that its claim remembers. Needs KEYS pending.
local function to_rank(id, claim)
  local level, arrival = string.match(claim, '^%d+|(%d):(%d+)|')
  redis.call('ZADD', pending[level + 1], arrival, id)
end
