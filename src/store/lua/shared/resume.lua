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

-- foremost(index, room, aging_us): the first `room` jobs of an index as the line would have them: level by level, or, where
-- each level is worth `aging_us` of waiting, by that. Needs nothing but what parked has.
local function foremost(index, room, aging_us)
  if room <= 0 then return {} end
  if not aging_us then return redis.call('ZRANGE', index, 0, room - 1) end
  local heads, at, ids = {}, {1, 1, 1, 1}, {}
  for level = 0, 3 do
    local first, after = int(spots_of(level)), int(spots_of(level + 1))
    heads[level + 1] = redis.call('ZRANGE', index, first, '(' .. after, 'BYSCORE', 'LIMIT', 0, room, 'WITHSCORES')
  end
  while #ids < room do
    local best, best_key = nil, nil
    for level = 0, 3 do
      local score = heads[level + 1][at[level + 1] + 1]
      if score then
        local _, arrival = rank_of(tonumber(score))
        local key = arrival + level * aging_us
        if not best_key or key < best_key then best, best_key = level + 1, key end
      end
    end
    if not best then break end
    ids[#ids + 1] = heads[best][at[best]]
    at[best] = at[best] + 2
  end
  return ids
end
