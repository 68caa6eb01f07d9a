-- ended: whether a job has ended, and how.
-- KEYS: history crashes pending scheduled retrying active completed cancelled dead meta leaving
-- ARGV: clock id
-- returns: the word of the set that holds it, its mark there, its history, crashes and result; null for what is not there
-- cost: 8 µs
-- flags: no-writes
-- uses: lines away
local word, mark, copy = standing(id)
if copy then return {word, mark, copy[5], copy[6], copy[12]} end
return {word, mark, redis.call('HGET', history, id), redis.call('HGET', crashes, id),
  redis.call('GET', string.sub(meta, 1, -5) .. 'result:' .. id)}
