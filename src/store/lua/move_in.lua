-- move_in: takes in what comes from a place that is being left, a page once.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events wake batches batched outbox schedules ticks
-- ARGV: clock from page fence things...   from: the place that it comes from; fence: the last one there; things: of each its
--       name and thirteen values, as move_out tells them
-- returns: how many jobs came; where it has taken in a later page the number of that, below 0, and takes nothing
-- refuses: LAYOUT
-- cost: 20 µs a job; 250 jobs, or about a mebibyte, a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit options lines back tally schedule settle_in
local now_us = now()
layout()
local mark = 'from:' .. from
local last = tonumber(redis.call('HGET', meta, mark)) or 0
if last > tonumber(page) then return -last end
-- Looked for as calls of producers are, when a replica is to confirm it.
redis.call('SET', string.sub(meta, 1, -5) .. 'call:' .. mark, page .. ' ~m ' .. page .. ' ', 'EX', 600)
if last == tonumber(page) then return 0 end
-- Fences rise wherever a job goes.
if tonumber(fence) > (tonumber(redis.call('HGET', meta, 'fence')) or 0) then redis.call('HSET', meta, 'fence', fence) end

local function take_batch(name, told)
  local key = string.sub(meta, 1, -5) .. 'batch:' .. name
  if told[1] ~= '' and redis.call('HGET', key, 'created_ms') == told[1] then return end -- It came under another number.
  for n, what in ipairs({'total', 'completed', 'dead', 'cancelled'}) do
    if tonumber(told[n + 1]) then redis.call('HINCRBY', key, what, told[n + 1]) end
  end
  for n, what in pairs({[1] = 'created_ms', [6] = 'sealed', [7] = 'finished_ms', [8] = 'id', [9] = 'queue', [10] = 'record'}) do
    if told[1] ~= '' and (told[n] ~= '' or what == 'queue' and told[8] ~= '') then redis.call('HSET', key, what, told[n]) end
  end
  if told[1] ~= '' then redis.call('ZADD', batches, told[1], name) end
  redis.call('HSET', meta, 'batches', '1')
  if told[7] ~= '' then redis.call('EXPIRE', key, 604800) end
  close_batch(now_us, name)
end
local function take_schedule(name, text, next)
  local there, given = read_schedule(redis.call('HGET', schedules, name)), read_schedule(text)
  -- What was written here meanwhile is newer.
  if there and not (given and tonumber(there.revision) < tonumber(given.revision)) then return end
  redis.call('HSET', schedules, name, text)
  if next ~= '' then redis.call('ZADD', ticks, next, name) end
end
local came, renamed = 0, {}
for at = things_at, #ARGV, 14 do
  local kind, name, values = string.sub(ARGV[at], 1, 1), string.sub(ARGV[at], 2), {unpack(ARGV, at + 1, at + 13)}
  if kind == 'j' then
    local other = take_job(values, from, now_us)
    came = came + 1
    if other then renamed[#renamed + 1] = name .. '=' .. other end
  end
  if kind == 'b' then take_batch(name, values) end
  if kind == 'n' then redis.call('ZADD', seen, 'GT', values[1], name) end
  if kind == 'l' then redis.call('HSETNX', unique, name, values[1]) end
  if kind == 'o' then redis.call('HSETNX', outbox, name, values[1]) end
  if kind == 's' then take_schedule(name, values[1], values[2]) end
  for what, n in string.gmatch(kind == 't' and values[1] or '', '(%l+)=(%d+)') do redis.call('HINCRBY', meta, what, n) end
end
redis.call('HSET', meta, mark, page)
emit('renamed', renamed, 'mover')
wake_one()
return came
