-- room_left(max_length): how many more jobs may wait. Needs KEYS pending scheduled retrying.
local function room_left(max_length)
  if not tonumber(max_length) then return math.huge end
  local waiting = 0
  for _, line in ipairs({pending[1], pending[2], pending[3], pending[4], parked, scheduled, retrying}) do
    waiting = waiting + redis.call('ZCARD', line)
  end
  return tonumber(max_length) - waiting
end

-- place_new(lines): adds to the four lines and, fifth, to the scheduled ones; wakes a worker if one has something to do
-- sooner than it knows. Needs KEYS pending scheduled wake; uses wake.
local function place_new(lines)
  local wanted = false
  for level = 1, 4 do
    if #lines[level] > 0 then
      redis.call('ZADD', pending[level], unpack(lines[level]))
      wanted = true
    end
  end
  if #lines[5] > 0 then
    redis.call('ZADD', scheduled, unpack(lines[5]))
    local first = redis.call('ZRANGE', scheduled, 0, 0)[1]
    for i = 2, #lines[5], 2 do wanted = wanted or lines[5][i] == first end
  end
  if wanted then wake_one() end
end
