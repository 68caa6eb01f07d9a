-- ended: whether a job has ended, and how.
-- KEYS: history crashes pending scheduled retrying active completed cancelled dead meta
-- ARGV: clock id
-- returns: the word of the set that holds it, its mark there, its history, crashes and result; null for what is not there
-- cost: 8 µs
-- flags: no-writes
-- uses: lines
local word, mark = where(id)
return {word, mark, redis.call('HGET', history, id), redis.call('HGET', crashes, id),
  redis.call('GET', string.sub(meta, 1, -5) .. 'result:' .. id)}
