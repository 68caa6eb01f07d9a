-- gate: says whether a place of a queue takes new jobs.
-- KEYS: meta
-- ARGV: clock change word fence arrival   change: the number of the change of partitions; word: '' for all, '<N' for jobs of
--       which the places of N partitions know nothing, 'N' for none: they go to N partitions; fence, arrival: at least these
-- returns: the last fence and arrival; only the number of a later change where that has said something else
-- refuses: LAYOUT
-- cost: 5 µs
-- flags: allow-oom
-- uses: int layout
local known = tonumber(redis.call('HGET', meta, 'change')) or 0
if known > tonumber(change) then return {int(known)} end
layout()
redis.call('HSET', meta, 'change', change)
redis.call('PERSIST', meta) -- A queue that was deleted and is made anew may come to it again.
if word == '' then redis.call('HDEL', meta, 'partitions') else redis.call('HSET', meta, 'partitions', word) end
local reply = {}
for n, name in ipairs({'fence', 'arrival'}) do
  local last, least = tonumber(redis.call('HGET', meta, name)) or 0, tonumber(n == 1 and fence or arrival)
  if least > last then redis.call('HSET', meta, name, int(least)) end
  reply[n] = int(math.max(last, least))
end
return reply
