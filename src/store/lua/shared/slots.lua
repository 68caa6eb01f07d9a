-- keys_of(claims): how many of these claims each key has.
local function keys_of(claims)
  local counts = {}
  for _, claim in ipairs(claims) do
    local key = string.match(claim, '|%d+|[^|]*|([^|]+)|[^|]*$')
    if key then counts[key] = (counts[key] or 0) + 1 end
  end
  return counts
end

-- free(now_us, counts): so many claims of each key have ended: `running` falls, and keys with parked jobs are due. Whether
-- one is due that was not. Where a hand made another type of a key, this stays undone: fetch tells, recount counts anew.
-- Needs KEYS meta; uses int.
local function free(now_us, counts)
  local running, unpark = string.sub(meta, 1, -5) .. 'running', string.sub(meta, 1, -5) .. 'unpark'
  local list, due, less, gone = {}, {}, {}, {}
  for key in pairs(counts) do list[#list + 1] = key end
  local before = #list > 0 and redis.pcall('HMGET', running, unpack(list))
  if not before or before.err then return false end
  for n, key in ipairs(list) do
    local left = (tonumber(before[n]) or 0) - counts[key]
    if left > 0 then less[#less + 1], less[#less + 2] = key, int(left) else gone[#gone + 1] = key end
  end
  if #less > 0 then redis.call('HSET', running, unpack(less)) end
  if #gone > 0 then redis.call('HDEL', running, unpack(gone)) end
  if redis.call('EXISTS', unpark) == 0 then return false end
  for n, key in ipairs(list) do due[2 * n - 1], due[2 * n] = int(math.floor(now_us / 1000)), key end
  local hastened = redis.pcall('ZADD', unpark, 'XX', 'LT', 'CH', unpack(due))
  return type(hastened) == 'number' and hastened > 0
end
