-- ended: whether a job has ended, and how.
-- KEYS: history pending scheduled retrying active completed cancelled dead meta
-- ARGV: clock id
-- returns: the word of the set that holds it, its history, its result; null for what is not there
-- cost: 8 µs
-- flags: no-writes
-- uses: lines
local word = where(id)
return {word, redis.call('HGET', history, id), redis.call('GET', string.sub(meta, 1, -5) .. 'result:' .. id)}
