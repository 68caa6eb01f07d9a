-- move_in: takes in what comes from a place that is being left, a page once.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events wake batches batched schedules ticks
-- ARGV: clock from page fence things...   from: the place that it comes from; fence: the last one there; things: of each its
--       name and thirteen values, as move_out tells them
-- returns: how many jobs it took in
-- refuses: LAYOUT
-- cost: 20 µs a job; 250 jobs, or about a mebibyte, a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit options lines back tally
local now_us = now()
layout()
local mark = 'from:' .. from
if (tonumber(redis.call('HGET', meta, mark)) or 0) >= tonumber(page) then return 0 end
-- Fences rise wherever a job goes.
if tonumber(fence) > (tonumber(redis.call('HGET', meta, 'fence')) or 0) then redis.call('HSET', meta, 'fence', fence) end

local function take_job(job)
  local id, key, batch = job[1], job[7], job[13]
  if redis.call('HEXISTS', jobs, id) == 1 then return 0 end
  local holder = key ~= '' and holder_of(key, math.floor(now_us / 1000))
  if holder and holder ~= id then job[7], job[8] = '', '' end
  if batch ~= '' then
    redis.call('HSET', batched, id, batch)
    redis.call('HSET', meta, 'batches', '1')
  end
  put_back(job)
  return 1
end
local function take_batch(name, told)
  local key = string.sub(meta, 1, -5) .. 'batch:' .. name
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
local taken = 0
for at = things_at, #ARGV, 14 do
  local kind, name, values = string.sub(ARGV[at], 1, 1), string.sub(ARGV[at], 2), {unpack(ARGV, at + 1, at + 13)}
  if kind == 'j' then taken = taken + take_job(values) end
  if kind == 'b' then take_batch(name, values) end
  if kind == 'n' then redis.call('ZADD', seen, 'GT', values[1], name) end
  if kind == 'l' then redis.call('HSETNX', unique, name, values[1]) end
  if kind == 's' then redis.call('HSET', schedules, name, values[1]) end
  if kind == 's' and values[2] ~= '' then redis.call('ZADD', ticks, values[2], name) end
  for what, n in string.gmatch(kind == 't' and values[1] or '', '(%l+)=(%d+)') do redis.call('HINCRBY', meta, what, n) end
end
redis.call('HSET', meta, mark, page)
wake_one()
return taken
