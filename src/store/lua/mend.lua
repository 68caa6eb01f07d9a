-- mend: puts right what amiss has found in a key, where it is still so; of `batched` also that the queue has batches.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring meta events wake
-- ARGV: clock what who seen jobs...   what: the word of the key; seen: the one that they were found with; jobs: id, level
-- returns: how many it put right
-- refuses: LAYOUT
-- cost: 10 µs a job; 100 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock lines amiss
local now_us, base = now(), string.sub(meta, 1, -5)
local now_ms, name, mended = math.floor(now_us / 1000), base .. what, 0
layout()
if what == 'batched' and not batching and redis.call('EXISTS', base .. 'batches', base .. 'batched') > 0 then
  redis.call('HSET', meta, 'batches', '1')
  batching, mended = true, 1
  emit('rebatched', {'+1'}, who)
end
-- How each is told of in the events; ids without a record are the part of orphans and disclaim.
local told = {doubled = 'undoubled', unreadable = 'reclaimed', leftover = 'swept', relocked = 'relocked'}
local done = {undoubled = {}, reclaimed = {}, swept = {}, relocked = {}}
local is_sorted = line_of[what] or what == 'expiring'
for at = jobs_at, #ARGV, 2 do
  local id = ARGV[at]
  local value = is_sorted and redis.call('ZSCORE', name, id) or not is_sorted and redis.call('HGET', name, id)
  local word = value and wrong_with(what, id, value)
  -- From the set beside which it was found, the job may have gone on to one that would give way to this.
  if value and not word and seen == 'doubled' and held_elsewhere(what, id) then word = 'doubled' end
  if word == 'unreadable' then
    local arrival = tonumber(string.match(redis.call('HGET', jobs, id), '^(%d+)[{@]')) or now_us
    redis.call('ZADD', pending[ARGV[at + 1] + 1], int(math.min(arrival, now_us)), id)
    redis.call('HDEL', active, id)
  elseif word == 'relocked' then
    redis.call('HSET', unique, value, '0|' .. id)
  elseif word == 'leftover' and what == 'batched' then
    local found = where(id)
    tally(now_us, {id}, has_ended[found] and found or 'cancelled')
  elseif word == 'leftover' and what == 'keys' then
    unlock(now_ms, {id})
  elseif word == 'doubled' or word == 'leftover' then
    if is_sorted then redis.call('ZREM', name, id) else redis.call('HDEL', name, id) end
  end
  if told[word] then table.insert(done[told[word]], id) end
end
for event, ids in pairs(done) do
  emit(event, ids, who)
  mended = mended + #ids
end
if #done.reclaimed > 0 then wake_one() end
return mended
