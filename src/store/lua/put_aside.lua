-- put_aside: adds copies of jobs to what an act may be undone from, as they come from a place that the queue has left; once
-- however often they are sent.
-- KEYS: meta
-- ARGV: clock act from number copies...   from: the place that they come from; number: rises with what comes from there;
--       copies: twelve values a job
-- returns: 1 where they are added, 0 where they were
-- cost: 3 µs a job; 200 jobs a call
-- flags:
-- uses:
local head = string.sub(meta, 1, -5) .. 'undo:' .. act
local mark = 'from:' .. from
if (tonumber(redis.call('HGET', head, mark)) or 0) >= tonumber(number) then return 0 end
local piece = head .. ':' .. redis.call('HINCRBY', head, 'pieces', 1)
redis.call('RPUSH', piece, unpack(ARGV, copies_at))
redis.call('HSET', head, mark, number)
redis.call('EXPIRE', piece, 3600)
redis.call('EXPIRE', head, 3600)
return 1
