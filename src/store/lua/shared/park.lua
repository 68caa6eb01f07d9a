-- park(now_us, over, kept, keyed): puts the jobs of `over` ({id, level, arrival, key, …}) aside until their keys may go on.
-- Whether it did: not while jobs of another field's keys are parked. Needs KEYS pending parked config; uses parked allow int.
local function park(now_us, over, kept, keyed)
  if keyed.parking and keyed.parking ~= keyed.field then return false end
  local all, indexes, due, levels = {}, {}, {}, {{}, {}, {}, {}}
  for at = 1, #over, 4 do
    local id, level, arrival, key = unpack(over, at, at + 3)
    local score = int(spot(tonumber(level), tonumber(arrival)))
    all[#all + 1], all[#all + 2] = score, id
    levels[level + 1][#levels[level + 1] + 1] = id
    if not indexes[key] then
      indexes[key] = {}
      size_of(key)
      due[#due + 1], due[#due + 2] = int(may_go_on(now_us, kept.limits[key], kept.counts[key] or 0)), key
    end
    local index = indexes[key]
    index[#index + 1], index[#index + 2] = score, id
  end
  if keyed.parking ~= keyed.field then redis.call('HSET', config, 'parking', keyed.field) end
  keyed.parking = keyed.field
  redis.call('ZADD', parked, unpack(all))
  redis.call('ZADD', string.sub(meta, 1, -5) .. 'unpark', 'LT', unpack(due))
  for key, index in pairs(indexes) do redis.call('ZADD', index_of(key), unpack(index)) end
  for level = 1, 4 do
    if #levels[level] > 0 then redis.call('ZREM', pending[level], unpack(levels[level])) end
  end
  return true
end
