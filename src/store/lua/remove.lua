-- remove: removes jobs of one state for good, where they are still as they were seen; copies them aside first for an act
-- that may be undone.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen config meta events
-- ARGV: clock who line act guarded jobs...   act: its id, '' where nothing is copied; guarded: '1' to heed the queue's
--       protection; jobs: id, score
-- returns: how many it looked at, until the copies are about a mebibyte (-1: the queue is protected); for every one of them
--          that it left: its number in the call, and whether it is there at all (1) or gone (0)
-- refuses: LAYOUT
-- cost: 6 µs a job, 15 µs with its copy; 500 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive emit tally unlock drop lines keyed parked aside
-- moves: Remove
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
if guarded == '1' and redis.call('HGET', config, 'protected') == '1' then return {-1} end
local ids, gone, names, reply, bytes = {}, {}, {}, {0}, 0
for at = jobs_at, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local same = as_seen(line_of[line], ids, jobs_at + 1, 2)
local base = string.sub(meta, 1, -5)
for n = 1, #ids do
  if act ~= '' and same[n] then bytes = bytes + weight(ids[n]) end
  if n > 1 and bytes > 1048576 then break end
  reply[1] = n
  if same[n] then
    gone[#gone + 1] = ids[n]
    names[#names + 1], names[#names + 2] = base .. 'log:' .. ids[n], base .. 'result:' .. ids[n]
  else
    reply[#reply + 1], reply[#reply + 2] = n - 1, redis.call('HEXISTS', jobs, ids[n])
  end
end
if #gone == 0 then return reply end
if act ~= '' then set_aside(act, line, gone) end
if line == 'parked' then unindex(gone) end
unlock(now_ms, gone)
tally(now_us, gone, 'cancelled')
drop(now_ms, gone)
redis.call('ZREM', line_of[line], unpack(gone))
redis.call('UNLINK', unpack(names))
count(now_us, 'removed', #gone)
-- A clear of a million jobs shall not push everything else out of the events.
emit('removed', #gone > 20 and {'+' .. #gone} or gone, who)
return reply
