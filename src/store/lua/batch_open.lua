-- batch_open: begins a batch, or joins one that takes jobs.
-- KEYS: batches meta
-- ARGV: clock name id queue record former   id, queue, record: the job on completion; queue: '' for this one; record: '' for
--       none; former: '<N' where the places of N partitions were asked for one that is sealed, else ''
-- returns: '+' begun, '=' it takes jobs already, '!' it does, with another job on completion, '#' it is sealed
-- refuses: LAYOUT PARTITIONS
-- cost: 10 µs
-- flags:
-- uses: now int layout
local now_ms = int(math.floor(now() / 1000))
local key = string.sub(meta, 1, -5) .. 'batch:' .. name
local known = redis.call('HMGET', key, 'created_ms', 'sealed', 'queue', 'record')
layout(known[1] and 'here' or former ~= '' and former or 'adds')
if known[2] then return '#' end
if known[1] then
  return (record == '' or (known[3] == queue and known[4] == record)) and '=' or '!'
end
redis.call('HSET', meta, 'batches', '1')
redis.call('ZADD', batches, now_ms, name)
redis.call('HSET', key, 'created_ms', now_ms, 'total', 0)
if record ~= '' then redis.call('HSET', key, 'id', id, 'queue', queue, 'record', record) end
return '+'
