-- delete: removes a queue that holds no job, that no worker takes jobs of, that has no schedule and that is not protected,
--         with all that is kept about it.
-- KEYS: jobs history crashes pending scheduled retrying active workers handed completed cancelled dead unique keys expiring seen config meta events wake schedules ticks batches batched outbox
-- ARGV: clock
-- returns: 1 where it is gone, 0 where a job, a worker, a schedule, its protection or a job on completion of a batch that is
--          yet to be handed over keeps it
-- cost: 20 µs; what it holds is freed in the background
-- flags: allow-oom
-- uses: now
local now_ms = math.floor(now() / 1000)
if redis.call('EXISTS', jobs, schedules, active, scheduled, retrying, completed, cancelled, dead, outbox, parked, unpack(pending)) > 0 then return 0 end
if redis.call('ZCOUNT', workers, '(' .. string.format('%.0f', now_ms), '+inf') > 0 then return 0 end
if redis.call('HGET', config, 'protected') == '1' then return 0 end
for _, name in ipairs(redis.call('ZRANGE', batches, 0, 999)) do
  redis.call('UNLINK', string.sub(meta, 1, -5) .. 'batch:' .. name)
end
local base = string.sub(meta, 1, -5)
for _, key in ipairs(redis.call('ZRANGE', base .. 'unpark', 0, 999)) do redis.call('UNLINK', parked .. ':' .. key) end
redis.call('UNLINK', base .. 'running', base .. 'paced', base .. 'unpark', base .. 'limits')
redis.call('UNLINK', history, crashes, workers, handed, unique, keys, expiring, seen, config, meta, events, wake, ticks,
  batches, batched)
return 1
