-- Jobs over the limit of their key are parked: pending, but out of line. `parked` holds them all and is the truth. By their
-- keys they stand in an index, `parked:<key>`, and `unpark` holds the keys of parked jobs by the ms at which they may go on.

-- spots_of(level): the least score of a level.
local function spots_of(level)
  return level * 2251799813685248
end

-- spot(level, arrival): the score of a parked job: its rank in one number, exact for arrivals from 2017 to 2088.
local function spot(level, arrival)
  return spots_of(level) + math.max(0, math.min(arrival - 1500000000000000, 2251799813685247))
end

-- rank_of(score): level and arrival of a parked job.
local function rank_of(score)
  local level = math.floor(score / 2251799813685248)
  return level, score - spots_of(level) + 1500000000000000
end

-- index_of(key): the name of the index of a key's parked jobs. Needs KEYS parked.
local function index_of(key)
  return parked .. ':' .. key
end

-- size_of(key): how many ids the index of a key holds; the name of the key where a hand made another type of it.
local function size_of(key)
  local size = redis.pcall('ZCARD', index_of(key))
  if type(size) == 'number' then return size end
  error({err = 'WRONGTYPE key ' .. index_of(key) .. ' holds no sorted set: delete it'})
end

-- unindex(ids): takes ids that leave `parked` out of the indexes, while their records are there. What is not found, or takes
-- too long to decode, is dropped from its index when it is met there. Needs KEYS jobs config parked; uses keyed.
local function unindex(ids)
  local field = #ids > 0 and redis.call('HGET', config, 'parking')
  if not field then return end
  local key_of, records = key_reader(field), redis.call('HMGET', jobs, unpack(ids))
  for n, id in ipairs(ids) do
    local key = records[n] and decoded < decode_max and key_of(records[n])
    if key and redis.call('ZREM', index_of(key), id) == 1 and redis.call('EXISTS', index_of(key)) == 0 then
      redis.call('ZREM', string.sub(parked, 1, -7) .. 'unpark', key)
    end
  end
end
