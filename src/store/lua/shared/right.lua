-- set_running(now_us, counted): sets the numbers of running jobs of keys right, as their claims were counted; how many were
-- wrong. Needs KEYS meta; uses int.
local function set_running(now_us, counted)
  local base, there, wrong, cursor = string.sub(meta, 1, -5), {}, {}, '0'
  local running = base .. 'running'
  local size = redis.pcall('HLEN', running)
  if type(size) ~= 'number' then return 0 end
  if size > 2000 then redis.call('UNLINK', running) end
  repeat
    local page = redis.call('HSCAN', running, cursor, 'COUNT', 1000)
    cursor = page[1]
    for at = 1, #page[2], 2 do there[page[2][at]] = page[2][at + 1] end
  until cursor == '0'
  for key, number in pairs(there) do
    if tonumber(number) ~= counted[key] then wrong[#wrong + 1] = key end
  end
  for key in pairs(counted) do
    if not there[key] then wrong[#wrong + 1] = key end
  end
  for _, key in ipairs(wrong) do
    if counted[key] then redis.call('HSET', running, key, counted[key]) else redis.call('HDEL', running, key) end
    redis.pcall('ZADD', base .. 'unpark', 'XX', 'LT', int(math.floor(now_us / 1000)), key)
  end
  return #wrong
end
