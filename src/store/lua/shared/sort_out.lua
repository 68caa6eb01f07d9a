-- look_at(line, key_of): reads the records of `line` and finds the keys: {records, keys (false where there is none), counts
-- of each key, list of the keys}, until they are some megabytes or took long to decode: at least one. Needs KEYS jobs.
local function look_at(line, key_of)
  local seen, bytes, chunk = {records = {}, keys = {}, counts = {}, list = {}}, 0, 20
  local records, keys, counts, list = seen.records, seen.keys, seen.counts, seen.list
  while #keys < #line / 3 do
    local first, ids = #keys, {}
    for n = first + 1, math.min(#line / 3, first + chunk) do ids[#ids + 1] = line[3 * n - 2] end
    local found = redis.call('HMGET', jobs, unpack(ids))
    for n = 1, #ids do
      local record = found[n]
      local key = record and key_of(record) or false
      if key then
        local count = counts[key]
        if not count then list[#list + 1] = key end
        counts[key] = (count or 0) + 1
      end
      records[first + n], keys[first + n] = record, key
      bytes = bytes + (record and #record or 0)
      if decoded >= decode_max then break end
    end
    chunk = chunk * 2
    if bytes >= 4194304 or decoded >= decode_max then break end
  end
  return seen
end

-- sort_out(now_us, line, want, keyed, key_of): the first `want` jobs of `line` that the limits of their keys let start, with
-- what was read of them; those before them that are over, {id, level, arrival, key, …}; whether the end of `line` was not
-- looked at. Needs what look_at and allow do.
local function sort_out(now_us, line, want, keyed, key_of)
  local seen, over = look_at(line, key_of), {}
  local limits, last = allow(now_us, seen.list, keyed), #seen.keys
  local cut = last < #line / 3
  local within = not cut and last <= want
  for _, key in ipairs(seen.list) do within = within and seen.counts[key] <= limits[key].free end
  if within then
    line.records, line.keys, line.counts, line.limits = seen.records, seen.keys, seen.counts, limits
    return line, over, false
  end
  local kept = {records = {}, keys = {}, counts = {}, limits = limits}
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
