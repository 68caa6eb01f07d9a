-- show: everything that is stored about one job.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead keys meta leaving
-- ARGV: clock id
-- returns: the word of the set that holds it, its mark there, record, history, crashes, unique key, log, result, progress;
--          null for what is not there
-- cost: 10 µs, and what copying a record of up to a mebibyte costs
-- flags: no-writes
-- uses: lines away
local word, mark, copy = standing(id)
if copy then return {word, mark, copy[4], copy[5], copy[6], copy[7], copy[11], copy[12], false} end
local base = string.sub(meta, 1, -5)
return {word, mark, redis.call('HGET', jobs, id), redis.call('HGET', history, id), redis.call('HGET', crashes, id),
  redis.call('HGET', keys, id), redis.call('GET', base .. 'log:' .. id), redis.call('GET', base .. 'result:' .. id),
  redis.call('GET', base .. 'progress:' .. id)}
