-- stats: everything that is counted about a queue, at one instant.
-- KEYS: jobs pending scheduled active retrying completed cancelled dead workers config meta schedules ticks
-- ARGV: clock
-- returns: now in µs; 1 where the queue was ever used; the number of records; sizes of the four lines with what is parked,
--          scheduled, active, retrying, completed, cancelled, dead; workers whose lease stands; the oldest arrival in line and
--          the earliest due score ('' for none); totals and settings, name and value of each that is there; what was enqueued,
--          completed, failed and dead in this minute and each of the sixty before it; schedules, those whose tick is a minute
--          late; parked jobs
-- cost: 0.1 ms
-- flags: no-writes
-- uses: now int parked
local now_us = now()
local sizes, oldest, due = {}, '', ''
local function least(known, line)
  local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
  if first and (known == '' or tonumber(first) < tonumber(known)) then return int(tonumber(first)) end
  return known
end
local apart = redis.call('ZCARD', parked)
for level = 1, 4 do
  sizes[level] = redis.call('ZCARD', pending[level])
  oldest = least(oldest, pending[level])
  if apart > 0 then
    local from, to = int(spot(level - 1, 0)), '(' .. int(spot(level, 0))
    sizes[level] = sizes[level] + redis.call('ZCOUNT', parked, from, to)
    local first = redis.call('ZRANGE', parked, from, to, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    local _, arrival = rank_of(tonumber(first or 0))
    if first and (oldest == '' or arrival < tonumber(oldest)) then oldest = int(arrival) end
  end
end
due = least(least(due, scheduled), retrying)
sizes[5], sizes[6] = redis.call('ZCARD', scheduled), redis.call('HLEN', active)
for n, line in ipairs({retrying, completed, cancelled, dead}) do sizes[6 + n] = redis.call('ZCARD', line) end

local minutes, minute = {}, math.floor(now_us / 60000000)
for back = 0, 60 do
  local name = string.sub(meta, 1, -5) .. 'minute:' .. int(minute - back)
  for _, n in ipairs(redis.call('HMGET', name, 'enqueued', 'completed', 'failed', 'dead')) do
    minutes[#minutes + 1] = n or '0'
  end
end
local function named(key, names)
  local values, there = redis.call('HMGET', key, unpack(names)), {}
  for n, name in ipairs(names) do
    if values[n] then there[#there + 1], there[#there + 2] = name, values[n] end
  end
  return there
end
local totals = named(meta, {'enqueued', 'completed', 'failed', 'retried', 'dead', 'cancelled', 'recovered', 'released',
  'snoozed', 'expired', 'revived', 'removed', 'dropped', 'orphaned'})
local settings = named(config, {'paused', 'rate', 'rate_us', 'rate_burst', 'concurrency', 'remove_on_complete',
  'remove_on_fail', 'aging_us', 'max_length', 'crash_limit', 'durable', 'retry', 'protected', 'key', 'key_concurrency',
  'key_rate', 'key_rate_us', 'key_rate_burst', 'partitions', 'partitions_was', 'partitions_next', 'partitions_counted'})
local live = redis.call('ZCOUNT', workers, '(' .. int(math.floor(now_us / 1000)), '+inf')
return {int(now_us), redis.call('EXISTS', meta, config), redis.call('HLEN', jobs), sizes, live, oldest, due, totals,
  settings, minutes, redis.call('HLEN', schedules),
  redis.call('ZCOUNT', ticks, '-inf', int(math.floor(now_us / 1000) - 60000)), apart}
