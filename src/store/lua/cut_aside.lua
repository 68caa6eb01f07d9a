-- cut_aside: forgets the next copies of jobs that an act set aside, once they are elsewhere; nothing where somebody else has.
-- KEYS: meta
-- ARGV: clock act at length count   at, length: the piece and how many values it had when they were read; count: of values
-- returns: 1 where they are gone by this call, 0 where it is not as it was seen
-- cost: 5 µs
-- flags: allow-oom
-- uses:
local head = string.sub(meta, 1, -5) .. 'undo:' .. act
local seen, piece = redis.call('HMGET', head, 'pieces', 'at'), head .. ':' .. at
if not seen[1] or (seen[2] or '1') ~= at or redis.call('LLEN', piece) ~= tonumber(length) then return 0 end
redis.call('LTRIM', piece, count, -1)
if redis.call('EXISTS', piece) == 0 then redis.call('HINCRBY', head, 'at', seen[2] and 1 or 2) end
return 1
