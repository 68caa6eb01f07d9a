-- move_apart: takes what is no job out of a place that is being left: a schedule, with its last job where that waits; what
-- batches have counted; the totals. While a page is on its way it is told again.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta batches batched schedules ticks leaving
-- ARGV: clock change what names...   change: the number of the change by which the place is left; what: 'schedule', 'batch',
--       'open' (batches that take jobs) or 'totals'; names: of the schedule, or of batches
-- returns: as move_out; nothing where there is none, or the last job of the schedule runs
-- refuses: LAYOUT
-- cost: 40 µs; 15 µs a batch, 250 batches or about a mebibyte a call
-- flags: allow-oom
-- uses: now int layout lines parked schedule luggage
local now_us = now()
layout()
-- Who comes late, from a change that is over, takes nothing.
if redis.call('HGET', meta, 'change') ~= change then return {} end
if redis.call('EXISTS', leaving) == 1 then return on_its_way() end

-- What `meta` holds beside totals, and stays.
local is_kept = {layout = true, partitions = true, change = true, page = true, fence = true, arrival = true, tat = true,
  batches = true}
local name = ARGV[names_at] or ''
local function send(kind, which, values) redis.call('HSET', leaving, kind .. which, cmsgpack.pack(values)) end
local function send_batch(which)
  local key = string.sub(meta, 1, -5) .. 'batch:' .. which
  local told = redis.call('HMGET', key, 'created_ms', 'total', 'completed', 'dead', 'cancelled', 'sealed', 'finished_ms',
    'id', 'queue', 'record')
  for n = 1, 10 do told[n] = told[n] or '' end
  if what == 'open' and (told[1] == '' or told[6] ~= '') then return 0 end
  -- While jobs of batches are left here, theirs may be counted here yet.
  if redis.call('EXISTS', batched) == 0 then redis.call('ZREM', batches, which) end
  if redis.call('UNLINK', key) == 1 then send('b', which, told) end
  return #told[10]
end
if what == 'schedule' then
  local text = redis.call('HGET', schedules, name)
  local stored = read_schedule(text)
  local word, score = where(stored and stored.job or '')
  if not text or word == 'active' then return {} end
  send('s', name, {text, redis.call('ZSCORE', ticks, name) or ''})
  if word ~= '' and not ended[word] then take(line_of[word], {copy_of(stored.job, word, score)}) end
  redis.call('HDEL', schedules, name)
  redis.call('ZREM', ticks, name)
elseif what ~= 'totals' then
  local bytes = 0
  for at = names_at, #ARGV do
    if bytes < 1048576 then bytes = bytes + send_batch(ARGV[at]) end
  end
else
  local found, text, gone = redis.call('HGETALL', meta), {}, {}
  for at = 1, #found, 2 do
    if string.match(found[at], '^%l+$') and not is_kept[found[at]] and tonumber(found[at + 1]) then
      text[#text + 1], gone[#gone + 1] = found[at] .. '=' .. found[at + 1], found[at]
    end
  end
  if #gone == 0 then return {} end
  send('t', name, {table.concat(text, ' ')})
  redis.call('HDEL', meta, unpack(gone))
end
if redis.call('EXISTS', leaving) == 0 then return {} end
number_page(now_us)
return on_its_way()
