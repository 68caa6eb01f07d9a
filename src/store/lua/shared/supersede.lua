-- supersede(now_us, id, word): another job takes the place of `id`, which stands in the set `word`: it is cancelled where it
-- waits; where it is active its claim is marked and its worker hears of it. Needs KEYS active config cancelled and those of
-- what it uses: line_of unlock keep count emit parked.
local function supersede(now_us, id, word)
  if word == 'active' then
    local claim = redis.call('HGET', active, id)
    if string.sub(claim, 1, 10) == 'cancelled|' then return end
    redis.call('HSET', active, id, 'cancelled|' .. claim)
    return emit('cancelling', {id}, who)
  end
  local now_ms = math.floor(now_us / 1000)
  if word == 'parked' then unindex({id}) end
  unlock(now_ms, {id})
  keep(now_ms, cancelled, redis.call('HGET', config, 'remove_on_complete') or '100', {id})
  redis.call('ZREM', line_of[word], id)
  count(now_us, 'cancelled', 1)
  emit('cancelled', {id}, who)
end
