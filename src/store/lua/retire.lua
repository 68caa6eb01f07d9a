-- retire: clears a place away that was left and holds nothing; what keeps others from adding to it stays, or as long as said.
-- KEYS: jobs history crashes pending scheduled retrying active workers handed completed cancelled dead unique keys expiring seen config meta events wake schedules ticks batches batched outbox leaving
-- ARGV: clock change home stays_ms   change: the one by which it is left; home: '1' where the settings and events of the queue
--       stand here; stays_ms: how long what is left of it stays, '' for always
-- returns: 1 where it is cleared away, 0 where it holds something or takes jobs again
-- refuses: LAYOUT
-- cost: 20 µs; what it holds is freed in the background
-- flags: allow-oom
-- uses: layout
layout()
local left = redis.call('HGET', meta, 'change')
if left ~= change or not gate or string.sub(gate, 1, 1) == '<' then return left and tonumber(left) > tonumber(change) and 1 or 0 end
if redis.call('EXISTS', jobs, active, schedules, batched, outbox, leaving, batches, scheduled, retrying, completed, cancelled,
  dead, parked, unpack(pending)) > 0 then return 0 end
local base = string.sub(meta, 1, -5)
redis.call('UNLINK', history, crashes, workers, handed, unique, keys, expiring, seen, wake, ticks, batches, base .. 'running',
  base .. 'paced', base .. 'unpark', base .. 'limits')
redis.call('HDEL', meta, 'batches', 'tat', 'empties')
if home ~= '1' then redis.call('UNLINK', config, events) end
if stays_ms ~= '' then redis.call('PEXPIRE', meta, stays_ms) end
return 1
