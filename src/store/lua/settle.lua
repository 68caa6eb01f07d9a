-- settle: writes a schedule as it stood in another place of its queue, where none of that name is there that is newer.
-- KEYS: meta schedules ticks
-- ARGV: clock name text next   text: as it is stored; next: ms, '' for none
-- returns: 1 where it is written, 0 where one is there
-- refuses: LAYOUT PARTITIONS
-- cost: 6 µs
-- flags: allow-oom
-- uses: layout int schedule
local there = redis.call('HGET', schedules, name)
local found, given = read_schedule(there), read_schedule(text)
if there and not (given and tonumber(found and found.revision or 0) < tonumber(given.revision)) then return 0 end
layout('here')
redis.call('HSET', schedules, name, text)
if next == '' then redis.call('ZREM', ticks, name) else redis.call('ZADD', ticks, next, name) end
return 1
