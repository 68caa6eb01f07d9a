-- recount: sets the number of claims that the queue counts for each worker and each key right, where not too many are held
-- to count.
-- KEYS: active workers handed meta events
-- ARGV: clock
-- returns: how many numbers were wrong; -1 where more than 1,000 claims are held
-- cost: 2 µs a claim, worker or key; 1,000 of each
-- flags: allow-oom
-- uses: now int emit slots right
if redis.call('HLEN', active) > 1000 then return -1 end
local claims, held, list, wrong, cursor = {}, {}, {}, 0, '0'
repeat
  local page = redis.call('HSCAN', active, cursor, 'COUNT', 1000)
  cursor = page[1]
  -- A page may name one again.
  for at = 1, #page[2], 2 do claims[page[2][at]] = page[2][at + 1] end
until cursor == '0'
for _, claim in pairs(claims) do
  list[#list + 1] = claim
  local owner = string.match(claim, '|%d+|([^|]*)|[^|]*|[^|]*$')
  if owner then held[owner] = (held[owner] or 0) + 1 end
end
for _, owner in ipairs(redis.call('ZRANGE', workers, 0, 999)) do held[owner] = held[owner] or 0 end
for owner, number in pairs(held) do
  if (tonumber(redis.call('HGET', handed, owner .. '#')) or 0) ~= number then
    redis.call('HSET', handed, owner .. '#', number)
    wrong = wrong + 1
  end
end
wrong = wrong + set_running(now(), keys_of(list))
if wrong > 0 then emit('recounted', {'+' .. wrong}, 'janitor') end
return wrong
