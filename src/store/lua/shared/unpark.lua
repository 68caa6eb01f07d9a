-- back_in_line(ids): takes these ids out of `parked` to their old places in line; how many were there. Needs KEYS parked
-- pending; uses parked int.
local function back_in_line(ids)
  if #ids == 0 then return 0 end
  local scores, lines, moved = redis.call('ZMSCORE', parked, unpack(ids)), {{}, {}, {}, {}}, {}
  for n, id in ipairs(ids) do
    if scores[n] then
      local level, arrival = rank_of(tonumber(scores[n]))
      local into = lines[level + 1]
      into[#into + 1], into[#into + 2] = int(arrival), id
      moved[#moved + 1] = id
    end
  end
  for level = 1, 4 do
    if #lines[level] > 0 then redis.call('ZADD', pending[level], unpack(lines[level])) end
  end
  if #moved > 0 then redis.call('ZREM', parked, unpack(moved)) end
  return #moved
end

-- bring_back(now_us, keyed): as many parked jobs of the keys that are due as may start: of 64 keys, 500 jobs. Whether there
-- may be more at once. Needs KEYS meta and what it uses: allow parked.
local function bring_back(now_us, keyed)
  local unpark, now_ms = string.sub(meta, 1, -5) .. 'unpark', int(math.floor(now_us / 1000))
  local due, moved = redis.call('ZRANGE', unpark, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, 64), 0
  -- A hand has taken `unpark` away: nobody knows the keys any more, so the limits are asked again in line.
  if redis.call('ZCARD', parked) > 0 and #due == 0 and redis.call('EXISTS', unpark) == 0 then
    return back_in_line(redis.call('ZRANGE', parked, 0, 499)) > 0
  end
  local limits = allow(now_us, due, keyed)
  for _, key in ipairs(due) do
    local limit, index = limits[key], index_of(key)
    local room = math.min(limit.free, 500 - moved, size_of(key))
    local ids = room > 0 and redis.call('ZRANGE', index, 0, room - 1) or {}
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
  return #due == 64
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
