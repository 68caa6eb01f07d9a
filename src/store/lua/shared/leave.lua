-- whole: whether all claims that the call named were current, as leave has found.
local whole = false

-- leave(at, n): looks at the claims named in ARGV: n ids from `at` on, then their claims.
-- Returns the ids whose claim is current, the answer: for every other one its number in the call and how it stands (0: no
-- claim, 1: another's claim, 2: cancelled), and which of the n the current ones are. Writes nothing. Needs KEYS active.
local function leave(at, n)
  if n == 0 then return {}, {}, {} end
  local ids = {unpack(ARGV, at, at + n - 1)}
  local held = redis.call('HMGET', active, unpack(ids))
  local places, mine, others, found = {}, ids, {}, 0
  for i = 1, n do
    if held[i] == ARGV[at + n + i - 1] then
      found = found + 1
      places[found] = i
      if mine ~= ids then mine[found] = ids[i] end
    else
      if mine == ids then mine = {unpack(ids, 1, found)} end
      others[#others + 1] = i - 1
      others[#others + 1] = (not held[i] and 0) or (held[i] == 'cancelled|' .. ARGV[at + n + i - 1] and 2) or 1
    end
  end
  whole = found == n
  return mine, others, places
end

-- freed_by(places): how many claims of each key end: as the worker has summed up where all are current, else as these of the
-- claims say. Needs ARGV freed n and jobs; uses slots.
local function freed_by(places)
  local counts, claims = {}, {}
  if whole then
    for key, count in string.gmatch(freed, '(%S+) (%d+)') do counts[key] = tonumber(count) end
    return counts
  end
  for i, place in ipairs(places) do claims[i] = ARGV[jobs_at + n + place - 1] end
  return keys_of(claims)
end

-- left(now_us, ids, places): takes the ids of ARGV's worker out of the active ones; the last write of every script that ends
-- a claim. Lets another worker know where a limit has left a slot free now.
-- Needs KEYS active handed config wake meta and ARGV worker freed; uses slots wake.
local function left(now_us, ids, places)
  redis.call('HDEL', active, unpack(ids))
  redis.call('HINCRBY', handed, worker .. '#', -#ids)
  local due = freed ~= '' and free(now_us, freed_by(places))
  if due or redis.call('HEXISTS', config, 'concurrency') == 1 then wake_one() end
end
