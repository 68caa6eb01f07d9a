-- peek_aside: the next copies of jobs that an act set aside, until there are so many or about a mebibyte.
-- KEYS: meta
-- ARGV: clock act limit
-- returns: the piece that they are in, how many values it has, then twelve values a job; nothing where there are no more
-- cost: 8 µs a job; 200 jobs a call
-- flags: no-writes
-- uses:
local head = string.sub(meta, 1, -5) .. 'undo:' .. act
local pieces, at = tonumber(redis.call('HGET', head, 'pieces')), tonumber(redis.call('HGET', head, 'at')) or 1
if not pieces or at > pieces then return {} end
local piece = head .. ':' .. at
local reply, done, bytes = {at, redis.call('LLEN', piece)}, 0, 0
while done < tonumber(limit) and bytes < 1048576 do
  local job = redis.call('LRANGE', piece, done * 12, done * 12 + 11)
  if #job < 12 then break end
  for n = 1, 12 do reply[#reply + 1] = job[n] end
  done, bytes = done + 1, bytes + #job[4] + #job[5] + #job[11] + #job[12]
end
return reply
