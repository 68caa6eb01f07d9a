-- move_out: takes the last jobs of a set out of a place that is being left; while a page is on its way it is told again.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta batched schedules leaving
-- ARGV: clock change line limit   change: the number of the change by which the place is left
-- returns: the last fence, the number of the page, then of each thing in it its name and thirteen values; nothing where there
--          is none
-- refuses: LAYOUT
-- cost: 25 µs a job; 250 jobs, or about a mebibyte, a call
-- flags: allow-oom
-- uses: now int layout lines parked schedule luggage
local now_us = now()
layout()
-- Who comes late, from a change that is over, takes nothing.
if redis.call('HGET', meta, 'change') ~= change then return {} end
if redis.call('EXISTS', leaving) == 1 then return on_its_way() end

-- The last jobs of schedules go with their schedule.
local stays, cursor = {}, '0'
repeat
  local page = redis.call('HSCAN', schedules, cursor, 'COUNT', 1000)
  cursor = page[1]
  for at = 2, #page[2], 2 do
    local stored = read_schedule(page[2][at])
    if stored then stays[stored.job] = true end
  end
until cursor == '0'

-- From the end, so that workers, who begin at the head, keep the order.
local last = redis.call('ZRANGE', line_of[line], 0, limit - 1, 'REV', 'WITHSCORES')
local copies, bytes = {}, 0
for at = 1, #last, 2 do
  local id = last[at]
  local may_go = redis.call('HEXISTS', jobs, id) == 1 and (ended[line] or not stays[id])
  if may_go and bytes < 1048576 then
    local copy = copy_of(id, line, last[at + 1])
    copies[#copies + 1] = copy
    bytes = bytes + #copy[4] + #copy[5] + #copy[11] + #copy[12]
  end
end
if #copies == 0 then return {} end
number_page(now_us)
take(line_of[line], copies)
return on_its_way()
