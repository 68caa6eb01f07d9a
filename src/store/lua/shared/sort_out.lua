-- look_at(line, key_of, head): reads the records of `line` and finds the keys: {ids, records, keys (false where there is
-- none), counts of each key}, until it took long to decode: at least one. Needs KEYS jobs.
local function look_at(line, key_of, head)
  local ids, keys, counts, match = {}, {}, {}, string.match
  for i = 1, #line, 3 do ids[#ids + 1] = line[i] end
  local records = redis.call('HMGET', jobs, unpack(ids))
  for n = 1, #ids do
    local record = records[n]
    local key = record and (match(record, head, 17) or key_of(record)) or false
    if key then counts[key] = (counts[key] or 0) + 1 end
    keys[n] = key
    if decoded >= decode_max then break end
  end
  return {ids = ids, records = records, keys = keys, counts = counts}
end

-- sort_out(now_us, line, want, keyed): the first `want` jobs of `line` that the limits of their keys let start, with
-- what was read of them; those before them that are over, {id, level, arrival, key, …}; whether the end of `line` was not
-- looked at. Needs what look_at and allow do.
local function sort_out(now_us, line, want, keyed)
  local seen, over, list = look_at(line, keyed.key_of, keyed.head), {}, {}
  for key in pairs(seen.counts) do list[#list + 1] = key end
  local limits, last = allow(now_us, list, keyed), #seen.keys
  local cut = last < #line / 3
  local within = not cut and last <= want
  for key, count in pairs(seen.counts) do
    if count > limits[key].free then within = false break end
  end
  if within then
    line.ids, line.records, line.keys, line.counts, line.limits = seen.ids, seen.records, seen.keys, seen.counts, limits
    return line, over, false
  end
  local kept = {records = {}, keys = {}, counts = {}, limits = limits, bytes = #(seen.records[1] or '')}
  for n = 1, last do
    if #kept.keys >= want then break end
    local key = seen.keys[n]
    local taken = key and kept.counts[key] or 0
    if key and taken >= limits[key].free then
      for _, value in ipairs({line[3 * n - 2], line[3 * n], line[3 * n - 1], key}) do over[#over + 1] = value end
    else
      for i = 3 * n - 2, 3 * n do kept[#kept + 1] = line[i] end
      kept.records[#kept.keys + 1], kept.keys[#kept.keys + 1] = seen.records[n], key
      if key then kept.counts[key] = taken + 1 end
    end
  end
  return kept, over, cut
end
