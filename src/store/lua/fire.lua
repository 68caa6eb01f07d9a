-- fire: moves a schedule to its next tick and enqueues the job of this one, where it still stands as it was seen.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen config meta events wake schedules ticks
-- ARGV: clock who name tick revision next missed overlap id option record former held   tick, next: ms, next '' for none;
--       missed: dropped ticks; id: '' where this one is, too; option, record: as for enqueue; former: as for layout, where the
--       job has a unique key; held: '1' where another place has its holder
-- returns: 'enqueued', 'overlapped', 'held', 'duplicate', 'missed' (no job was to be added), '!' the queue is full and
--          nothing was done, '-' it is not as it was seen, or the tick has not come
-- refuses: LAYOUT PARTITIONS
-- cost: 30 µs
-- flags:
-- uses: now int layout count arrive wake emit unlock drop keep options place lines schedule keyed parked supersede
-- moves: Enqueue Schedule Cancel
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
local stored, score = read_schedule(redis.call('HGET', schedules, name)), redis.call('ZSCORE', ticks, name)
if not stored or stored.revision ~= revision or not score or tonumber(score) ~= tonumber(tick) then return '-' end
if tonumber(tick) > now_ms then return '-' end

local outcome, job, before = 'missed', nil, ''
local rules = redis.call('HMGET', config, 'max_length', 'events')
if id ~= '' then
  job = options(option, now_us)
  if overlap ~= 'queue' and stored.job ~= '' then before = where(stored.job) end
  if before == 'completed' or before == 'cancelled' or before == 'dead' then before = '' end
  -- A place, and a unique key, that a waiting job gives up for this one.
  local gives_way = overlap == 'replace' and before ~= '' and before ~= 'active'
  local holder = job.unique and holder_of(job.unique, now_ms)
  if redis.call('HEXISTS', jobs, id) == 1 or redis.call('ZSCORE', seen, id) then
    outcome = 'duplicate'
  elseif overlap == 'skip' and before ~= '' then outcome = 'overlapped'
  elseif held == '1' or holder and not (gives_way and holder == stored.job) then
    outcome = 'held'
  elseif room_left(rules[1]) + (gives_way and 1 or 0) < 1 then
    return '!'
  else
    outcome = 'enqueued'
    -- Where jobs are moved another place may know the holder of its key.
    if job.unique then layout(former) end
  end
end

if outcome == 'enqueued' then
  if overlap == 'replace' and before ~= '' then supersede(now_us, stored.job, before) end
  local arrival, lines = arrive(now_us, 1), {{}, {}, {}, {}, {}}
  redis.call('HSET', jobs, id, int(arrival) .. record)
  mark(id, job, now_ms)
  lines[job.due_ms and 5 or job.level + 1] = {job.due_ms and int(job.due_ms * 4 + job.level) or int(arrival), id}
  place_new(lines)
  count(now_us, 'enqueued', 1)
  if rules[2] == 'all' then emit('enqueued', {id}, who) end
  stored.fired, stored.job = stored.fired + 1, id
end
if outcome == 'overlapped' or outcome == 'held' then stored.overlapped = stored.overlapped + 1 end
if job then stored.last = table.concat({tick, int(now_ms), outcome, stored.job}, '|') end
if tonumber(missed) > 0 then emit('schedule', {name .. '=missed:' .. missed}, who) end
stored.missed = stored.missed + missed
write_schedule(name, stored)
if next == '' then redis.call('ZREM', ticks, name) else redis.call('ZADD', ticks, next, name) end
return outcome
