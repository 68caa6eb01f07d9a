-- turn: who moves the jobs of a queue between its partitions, so that not all workers do. Two at once would do no harm.
-- KEYS: meta
-- ARGV: clock who force lease_ms moved   force: '1' takes it whoever has it; lease_ms: how long nobody else has it; 0 gives it
--       back, and leaves when that was; moved: '1' where the change has come further: from then on counts how long it stands still
-- returns: 1 where it is the caller's
-- refuses: LAYOUT
-- cost: 3 µs
-- flags: allow-oom
-- uses: now int layout
local now_ms = math.floor(now() / 1000)
layout()
local holder, until_ms = string.match(redis.call('HGET', meta, 'mover') or '', '^(.*)|(%d+)$')
if force ~= '1' and holder and holder ~= who and tonumber(until_ms) > now_ms and tonumber(until_ms) < now_ms + 600000 then return 0 end
redis.call('HSET', meta, 'mover', who .. '|' .. int(now_ms + tonumber(lease_ms)))
if moved == '1' then redis.call('HSET', meta, 'moved_ms', int(now_ms)) end
return 1
