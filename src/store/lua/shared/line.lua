-- A line: `ids`, `arrivals` and `levels` of jobs in the order in which they are to start; what is read of them comes beside.

-- at_places(list, places): the values of a list at these places of it.
local function at_places(list, places)
  local part = {}
  for n, place in ipairs(places) do part[n] = list[place] end
  return part
end

-- strict_line(want): the first `want` jobs in line, the most urgent level first. Needs KEYS pending.
local function strict_line(want)
  local ids, arrivals, levels, n = {}, {}, {}, 0
  for level = 0, 3 do
    if n >= want then break end
    local head = redis.call('ZRANGE', pending[level + 1], 0, want - n - 1, 'WITHSCORES')
    for i = 1, #head, 2 do
      n = n + 1
      ids[n], arrivals[n], levels[n] = head[i], head[i + 1], level
    end
  end
  return {ids = ids, arrivals = arrivals, levels = levels}
end

-- aging_line(want, span_us): the same with each level worth `span_us` of waiting; heads are read in chunks of 64.
local function aging_line(want, span_us)
  local ids, arrivals, levels, heads = {}, {}, {}, {}
  for level = 0, 3 do heads[level] = {offset = 0, at = 1, chunk = {}} end
  while #ids < want do
    local best, best_key = nil, nil
    for level = 0, 3 do
      local head = heads[level]
      if head.at > #head.chunk and not head.done then
        head.chunk = redis.call('ZRANGE', pending[level + 1], head.offset, head.offset + 63, 'WITHSCORES')
        head.offset, head.at, head.done = head.offset + 64, 1, #head.chunk < 128
      end
      local key = head.chunk[head.at] and tonumber(head.chunk[head.at + 1]) + level * span_us
      if key and (not best_key or key < best_key) then best, best_key = level, key end
    end
    if not best then break end
    local head = heads[best]
    ids[#ids + 1], arrivals[#ids + 1], levels[#ids + 1] = head.chunk[head.at], head.chunk[head.at + 1], best
    head.at = head.at + 2
  end
  return {ids = ids, arrivals = arrivals, levels = levels}
end

-- first_in_line(want, rule): the first `want` jobs by the queue's priority mode.
local function first_in_line(want, rule)
  return rule.aging_us and aging_line(want, rule.aging_us) or strict_line(want)
end
