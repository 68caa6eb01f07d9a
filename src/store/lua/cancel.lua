-- cancel: ends waiting jobs at once, copying them aside first for an act that may be undone; marks the claims of active ones,
-- whose workers hear of it when they renew.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen config meta events
-- ARGV: clock who line act guarded jobs...   act, guarded: as for remove; jobs: id, mark (score or claim) as it was seen
-- returns: for each job, until the copies are about a mebibyte: 1 where it is cancelled or its worker is being told, 0 where it
--          is not as it was seen; -1 alone: the queue is protected
-- refuses: LAYOUT
-- cost: 8 µs a job, 15 µs with its copy; 500 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive emit tally unlock drop keep lines keyed parked aside
-- moves: Cancel
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
if guarded == '1' and redis.call('HGET', config, 'protected') == '1' then return {-1} end
local ids, ended, told, reply, bytes = {}, {}, {}, {}, 0
for at = jobs_at, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local same = line == 'active' and {} or as_seen(line_of[line], ids, jobs_at + 1, 2)
for n = 1, #ids do
  if act ~= '' and same[n] then bytes = bytes + weight(ids[n]) end
  if n > 1 and bytes > 1048576 then break end
  local seen_claim = ARGV[jobs_at + 2 * n - 1]
  local claim = line == 'active' and redis.call('HGET', active, ids[n])
  if same[n] then
    ended[#ended + 1], reply[n] = ids[n], 1
  elseif claim and (claim == 'cancelled|' .. seen_claim or claim == seen_claim) then
    if string.sub(claim, 1, 10) ~= 'cancelled|' then
      redis.call('HSET', active, ids[n], 'cancelled|' .. claim)
      told[#told + 1] = ids[n]
    end
    reply[n] = 1
  else
    reply[n] = redis.call('ZSCORE', cancelled, ids[n]) and 1 or 0
  end
end
emit('cancelling', told, who)
if #ended == 0 then return reply end
if act ~= '' then set_aside(act, line, ended) end
if line == 'parked' then unindex(ended) end
unlock(now_ms, ended)
tally(now_us, ended, 'cancelled')
keep(now_ms, cancelled, redis.call('HGET', config, 'remove_on_complete') or '100', ended)
redis.call('ZREM', line_of[line], unpack(ended))
count(now_us, 'cancelled', #ended)
emit('cancelled', ended, who)
return reply
