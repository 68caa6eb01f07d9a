-- batches: how batches stand: those named, or a stretch of all, the newest first.
-- KEYS: batches meta
-- ARGV: clock first count names...   first, count: ranks; names: these instead
-- returns: how many names or ranks it looked at; then of each that is there its name, created_ms, total, completed, dead,
--          cancelled, sealed, finished_ms, and the id and queue of its job on completion ('' for what is not stored)
-- cost: 4 µs a batch; 500 batches a call
-- flags: no-writes
-- uses:
local names = {}
for at = names_at, #ARGV do names[#names + 1] = ARGV[at] end
if #names == 0 then names = redis.call('ZRANGE', batches, first, first + count - 1, 'REV') end
local base, reply = string.sub(meta, 1, -5), {#names}
for _, name in ipairs(names) do
  local set = redis.call('HMGET', base .. 'batch:' .. name, 'created_ms', 'total', 'completed', 'dead', 'cancelled', 'sealed',
    'finished_ms', 'id', 'queue')
  if set[1] then
    reply[#reply + 1] = name
    for n = 1, 9 do reply[#reply + 1] = set[n] or '' end
  end
end
return reply
