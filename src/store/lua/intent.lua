-- intent: makes a change of the number of partitions, which stands in the settings of the queue, something that confirm finds.
-- KEYS: config meta
-- ARGV: clock change
-- returns: 1; 0 where the settings say another change, or none
-- cost: 2 µs
-- flags: allow-oom
if redis.call('HGET', config, 'partitions_change') ~= change then return 0 end
redis.call('SET', string.sub(meta, 1, -5) .. 'call:course', change .. ' ~c ' .. change .. ' ', 'EX', 600)
return 1
