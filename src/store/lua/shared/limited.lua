-- limited_line(now_us, want, rule): the first `want` jobs in line that the limits of their keys let start; what stands before
-- them is parked. It looks at about a thousand. Whether there may be more at once. Needs KEYS pending and what it uses: line
-- keyed sort_out.
local function limited_line(now_us, want, rule)
  local keyed, size, looked = rule.keyed, want, 0
  keyed.key_of, keyed.head = key_reader(keyed.field)
  while true do
    local line = first_in_line(size, rule)
    local found = #line.ids
    if found == 0 then return line, false end
    local full = found == size
    local kept, over, cut = sort_out(now_us, line, want, keyed)
    looked = looked + found
    kept.scattered = #over > 0 and not park(now_us, over, kept, keyed)
    if #kept.keys >= want or not (full or cut) then return kept, false end
    if cut or #over == 0 or kept.scattered or looked >= 1000 then return kept, true end
    -- As many more as are some megabytes, if they are like the first.
    size = math.min(1000, want + math.min(#over / 2 + 100, math.floor(4194304 / (kept.bytes + 1)) + 1))
  end
end

-- startable(now_us, want, rule): the first `want` jobs in line that no limit of their keys holds, once the parked ones that
-- may go on are back in it. Whether there may be more at once. Needs KEYS pending parked; uses line unpark and limited_line.
local function startable(now_us, want, rule)
  local keyed, more = rule.keyed, false
  if not keyed then return first_in_line(want, rule), false end
  if keyed.parking and keyed.parking ~= keyed.field then
    more = send_back(keyed)
  elseif keyed.parking then
    more = bring_back(now_us, keyed, rule.aging_us)
  end
  if not keyed.field then return first_in_line(want, rule), more end
  local line, ahead = limited_line(now_us, want, rule)
  return line, more or ahead
end

-- next_ms(now_us, rule): in how many ms the first job is due or the first key may go on, -1 where nobody knows.
-- Needs KEYS meta; uses grant.
local function next_ms(now_us, rule)
  local due_ms = next_due_ms(now_us)
  if not (rule.keyed and rule.keyed.parking) then return due_ms end
  local first = redis.call('ZRANGE', string.sub(meta, 1, -5) .. 'unpark', 0, 0, 'WITHSCORES')[2]
  local wait_ms = first and math.max(0, first - math.floor(now_us / 1000)) or -1
  if due_ms < 0 or wait_ms < 0 then return math.max(due_ms, wait_ms) end
  return math.min(due_ms, wait_ms)
end
