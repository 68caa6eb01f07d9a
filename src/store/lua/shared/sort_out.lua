-- look_at(line, key_of, head): reads the records of `line` and finds the keys: {records, keys (false where there is none),
-- counts of each key}, until it took long to decode: at least one. Needs KEYS jobs.
local function look_at(line, key_of, head)
  local keys, counts, match = {}, {}, string.match
  local records = redis.call('HMGET', jobs, unpack(line.ids))
  for n = 1, #records do
    local record = records[n]
    local key = record and (match(record, head, 17) or key_of(record)) or false
    if key then counts[key] = (counts[key] or 0) + 1 end
    keys[n] = key
    if decoded >= decode_max then break end
  end
  return {records = records, keys = keys, counts = counts}
end

-- sort_out(now_us, line, want, keyed): the first `want` jobs of `line` that the limits of their keys let start, with
-- what was read of them; those before them that are over, {id, level, arrival, key, …}; whether the end of `line` was not
-- looked at. Needs what look_at and allow do.
local function sort_out(now_us, line, want, keyed)
  local seen, over, list = look_at(line, keyed.key_of, keyed.head), {}, {}
  for key in pairs(seen.counts) do list[#list + 1] = key end
  local limits, last = allow(now_us, list, keyed), #seen.keys
  local cut = last < #line.ids
  local within = not cut and last <= want
  for key, count in pairs(seen.counts) do
    if count > limits[key].free then within = false break end
  end
  if within then
    line.records, line.keys, line.counts, line.limits = seen.records, seen.keys, seen.counts, limits
    return line, over, false
  end
  local kept = {counts = {}, limits = limits, bytes = #(seen.records[1] or '')}
  local places = {}
  for n = 1, last do
    if #places >= want then break end
    local key = seen.keys[n]
    local taken = key and kept.counts[key] or 0
    if key and taken >= limits[key].free then
      for _, value in ipairs({line.ids[n], line.levels[n], line.arrivals[n], key}) do over[#over + 1] = value end
    else
      places[#places + 1] = n
      if key then kept.counts[key] = taken + 1 end
    end
  end
  kept.ids, kept.arrivals, kept.levels = at_places(line.ids, places), at_places(line.arrivals, places), at_places(line.levels, places)
  kept.records, kept.keys = at_places(seen.records, places), at_places(seen.keys, places)
  return kept, over, cut
end
