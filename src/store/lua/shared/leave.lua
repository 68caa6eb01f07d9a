-- whole: whether all claims that the call named were current, as leave has found.
local whole = false

-- leave(at, step): looks at the claims named in ARGV (id, claim and step - 2 more values each, from `at` on).
-- Returns the positions in ARGV whose claim is current, their ids, and the answer: for every other one its number in
-- the call and how it stands (0: no claim, 1: another's claim, 2: cancelled). Writes nothing. Needs KEYS active.
local function leave(at, step)
  local ids = {}
  for i = at, #ARGV, step do ids[#ids + 1] = ARGV[i] end
  if #ids == 0 then return {}, {}, {} end
  local held = redis.call('HMGET', active, unpack(ids))
  local places, mine, others = {}, {}, {}
  for n = 1, #ids do
    local place = at + (n - 1) * step
    local claim = ARGV[place + 1]
    if held[n] == claim then
      places[#places + 1] = place
      mine[#mine + 1] = ids[n]
    else
      others[#others + 1] = n - 1
      others[#others + 1] = (not held[n] and 0) or (held[n] == 'cancelled|' .. claim and 2) or 1
    end
  end
  whole = #others == 0
  return places, mine, others
end

-- freed_by(places): how many claims of each key end: as the worker has summed up where all are current, else as the claims
-- at these places of ARGV say. Uses slots.
local function freed_by(places)
  local counts, claims = {}, {}
  if whole then
    for key, count in string.gmatch(freed, '(%S+) (%d+)') do counts[key] = tonumber(count) end
    return counts
  end
  for n, place in ipairs(places) do claims[n] = ARGV[place + 1] end
  return keys_of(claims)
end

-- left(now_us, ids, places): takes the ids of ARGV's worker, whose claims stand at these places of ARGV, out of the active
-- ones; the last write of every script that ends a claim. Lets another worker know where a limit has left a slot free now.
-- Needs KEYS active handed config wake meta and ARGV worker freed; uses slots wake.
local function left(now_us, ids, places)
  redis.call('HDEL', active, unpack(ids))
  redis.call('HINCRBY', handed, worker .. '#', -#ids)
  local due = freed ~= '' and free(now_us, freed_by(places))
  if due or redis.call('HEXISTS', config, 'concurrency') == 1 then wake_one() end
end
