-- restore: brings jobs back that an act removed or cancelled, from the copies that were set aside, exactly as they were: the
-- next of them, until there are 200 or about a mebibyte.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events wake
-- ARGV: clock who act former jobs...   former: as for layout; jobs: where places of before were asked, the next jobs in their
--       order, each with what rivals said of it: no others come back
-- returns: 1 where there may be more; how many are back, and how many were left, in all calls so far; the ids that this call
--          left. Nothing: no copies are kept
-- refuses: LAYOUT PARTITIONS
-- cost: 25 µs a job; 200 jobs a call
-- flags:
-- uses: now int layout count wake emit options lines back
-- moves: Restore
local now_us = now()
layout(former)
local head = string.sub(meta, 1, -5) .. 'undo:' .. act
local pieces = tonumber(redis.call('HGET', head, 'pieces'))
if not pieces then return {} end
local at = tonumber(redis.call('HGET', head, 'at')) or 1
local piece = head .. ':' .. at
local done, bytes, ids, left = 0, 0, {}, {}
while done < 200 and bytes < 1048576 do
  local job = redis.call('LRANGE', piece, done * 12, done * 12 + 11)
  if #job < 12 then break end
  local asked, said = unpack(ARGV, jobs_at + 2 * done, jobs_at + 2 * done + 1)
  if former ~= 'adds' and asked ~= job[1] then break end
  done, bytes = done + 1, bytes + #job[4] + #job[5] + #job[11]
  if said ~= '-' and may_come_back(job, math.floor(now_us / 1000)) then
    put_back(job)
    ids[#ids + 1] = job[1]
  else
    left[#left + 1] = job[1]
  end
end
redis.call('LTRIM', piece, done * 12, -1)
if redis.call('EXISTS', piece) == 0 then
  at = at + 1
  redis.call('HSET', head, 'at', at)
end
local back, stay = redis.call('HINCRBY', head, 'back', #ids), redis.call('HINCRBY', head, 'left', #left)
count(now_us, 'restored', #ids)
emit('restored', #ids > 20 and {'+' .. #ids} or ids, who)
if #ids > 0 then wake_one() end
return {at <= pieces and 1 or 0, back, stay, unpack(left)}
