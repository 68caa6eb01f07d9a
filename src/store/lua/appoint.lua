-- appoint: writes a schedule and its next tick, or removes it, where it still is as it was seen.
-- KEYS: meta events schedules ticks
-- ARGV: clock who name revision paused next word json   revision: as it was seen, '' where there was none; paused: 1 it
--       is, 2 it is being moved, 3 both;
--       next: ms, '' for none; word: for the event; json: '' removes it
-- returns: 1 done, 0 it is not as it was seen, -1 there are 1,000 schedules in the queue already
-- refuses: LAYOUT PARTITIONS
-- cost: 8 µs
-- flags: allow-oom
-- uses: layout emit int schedule
local text = redis.call('HGET', schedules, name)
local stored = read_schedule(text)
-- One that a hand wrote and nobody can read counts as none, so that it can be written anew or removed.
if (stored and stored.revision or '') ~= revision then return 0 end
if json ~= '' and not text and redis.call('HLEN', schedules) >= 1000 then return -1 end
layout(json ~= '' and not text and 'here')
if json == '' then
  redis.call('HDEL', schedules, name)
else
  stored = stored or {revision = 0, fired = 0, missed = 0, overlapped = 0, last = ''}
  stored.revision, stored.paused, stored.json = int(stored.revision + 1), paused, json
  write_schedule(name, stored)
end
if next == '' then redis.call('ZREM', ticks, name) else redis.call('ZADD', ticks, next, name) end
emit('schedule', {name .. '=' .. word}, who)
return 1
