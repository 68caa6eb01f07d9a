-- show: everything that is stored about one job.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead keys meta
-- ARGV: clock id
-- returns: the word of the set that holds it, its mark there, record, history, crashes, unique key, log, result, progress;
--          null for what is not there
-- cost: 10 µs, and what copying a record of up to a mebibyte costs
-- flags: no-writes
-- uses: lines
local word, mark = where(id)
local base = string.sub(meta, 1, -5)
return {word, mark, redis.call('HGET', jobs, id), redis.call('HGET', history, id), redis.call('HGET', crashes, id),
  redis.call('HGET', keys, id), redis.call('GET', base .. 'log:' .. id), redis.call('GET', base .. 'result:' .. id),
  redis.call('GET', base .. 'progress:' .. id)}
