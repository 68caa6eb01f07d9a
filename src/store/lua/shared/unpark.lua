-- bring_back(now_us, keyed, aging_us): as many parked jobs of the keys that are due as may start: of 64 keys, 500 jobs.
-- Whether there may be more at once. Needs KEYS meta; uses allow parked resume.
local function bring_back(now_us, keyed, aging_us)
  local unpark, now_ms = string.sub(meta, 1, -5) .. 'unpark', int(math.floor(now_us / 1000))
  local due, moved = redis.call('ZRANGE', unpark, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, 64), 0
  -- A hand has taken `unpark` away: nobody knows the keys any more, so the limits are asked again in line.
  if redis.call('ZCARD', parked) > 0 and #due == 0 and redis.call('EXISTS', unpark) == 0 then
    return back_in_line(redis.call('ZRANGE', parked, 0, 499)) > 0
  end
  local whole = #due == 64
  -- Further ahead than may_go_on ever says: the clock was put back.
  local far = redis.call('ZRANGE', unpark, int(now_ms + 31000), '+inf', 'BYSCORE', 'LIMIT', 0, 64)
  for _, key in ipairs(far) do due[#due + 1] = key end
  local limits = allow(now_us, due, keyed)
  for _, key in ipairs(due) do
    local limit, index = limits[key], index_of(key)
    local room = math.min(limit.free, 500 - moved, size_of(key))
    local ids = foremost(index, room, aging_us)
    local came = back_in_line(ids)
    if #ids > 0 then redis.call('ZREM', index, unpack(ids)) end
    moved = moved + came
    if redis.call('EXISTS', index) == 0 then
      redis.call('ZREM', unpark, key)
    elseif came >= limit.free then
      redis.call('ZADD', unpark, int(may_go_on(now_us, limit, came)), key)
    end
    if moved >= 500 then return true end
  end
  return whole
end

-- send_back(keyed): puts 500 parked jobs back into line, whatever their keys: no limit holds them any more, or another field says
-- what the keys are. With the last of them the indexes go. Whether there may be more. Needs KEYS meta config parked.
local function send_back(keyed)
  local unpark, ids = string.sub(meta, 1, -5) .. 'unpark', redis.call('ZRANGE', parked, 0, 499)
  if back_in_line(ids) > 0 then return true end
  local keys_left = redis.call('ZRANGE', unpark, 0, 499)
  for _, key in ipairs(keys_left) do redis.call('UNLINK', index_of(key)) end
  if #keys_left > 0 then redis.call('ZREM', unpark, unpack(keys_left)) return true end
  redis.call('HDEL', config, 'parking')
  keyed.parking = nil
  return false
end
