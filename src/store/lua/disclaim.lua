-- disclaim: a page of the active jobs: those without a record are let go of, with a count and an event.
-- KEYS: jobs history crashes active handed keys unique expiring seen config meta events wake
-- ARGV: clock cursor
-- returns: the cursor of the next page ('0': that was the last), how many it let go of
-- refuses: LAYOUT
-- cost: 1 µs a claim; 100 to 500 claims a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop slots
local now_us = now()
layout()
local page, gone, claims = redis.call('HSCAN', active, cursor, 'COUNT', 100), {}, {}
for at = 1, #page[2], 2 do
  local id, claim = page[2][at], page[2][at + 1]
  if redis.call('HEXISTS', jobs, id) == 0 then
    local owner = string.match(claim, '|%d+|([^|]*)|[^|]*|[^|]*$')
    redis.call('HDEL', active, id)
    if owner and redis.call('HEXISTS', handed, owner .. '#') == 1 then redis.call('HINCRBY', handed, owner .. '#', -1) end
    gone[#gone + 1], claims[#claims + 1] = id, claim
  end
end
if #gone > 0 then
  unlock(math.floor(now_us / 1000), gone)
  tally(now_us, gone, 'cancelled')
  drop(math.floor(now_us / 1000), gone)
  count(now_us, 'orphaned', #gone)
  emit('orphaned', gone, 'janitor')
  local due = free(now_us, keys_of(claims))
  if due or redis.call('HEXISTS', config, 'concurrency') == 1 then wake_one() end
end
return {page[1], #gone}
