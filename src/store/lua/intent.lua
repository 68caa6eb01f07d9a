-- intent: makes a change of the number of partitions something that confirm finds in a place of the queue.
-- KEYS: config meta
-- ARGV: clock change home   home: '1' where the place is the queue's own, in whose settings the change stands
-- returns: 1; 0 where the settings say another change, or none
-- cost: 2 µs
-- flags: allow-oom
if home == '1' and redis.call('HGET', config, 'partitions_change') ~= change then return 0 end
redis.call('SET', string.sub(meta, 1, -5) .. 'call:course', change .. ' ~c ' .. change .. ' ', 'EX', 600)
return 1
