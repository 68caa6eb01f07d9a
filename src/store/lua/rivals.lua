-- rivals: which of the jobs that an act took may come back to another place, as far as this one knows, which is being left.
-- KEYS: pending scheduled retrying active completed cancelled dead jobs unique leaving
-- ARGV: clock jobs...   id, set, record and unique key ('' for none) of each, as they were taken
-- returns: for each '+' it may, '-' its id is there again, or another job holds its unique key, '~' it is on its way elsewhere
-- cost: 8 µs a job; 200 jobs a call
-- flags: no-writes
-- uses: now options lines back
local now_ms = math.floor(now() / 1000)
local reply = {}
for at = jobs_at, #ARGV, 4 do
  local id, word, record, key = unpack(ARGV, at, at + 3)
  local sent = key ~= '' and redis.call('HGET', leaving, 'u' .. key)
  if redis.call('HEXISTS', leaving, 'j' .. id) == 1 then
    reply[#reply + 1] = '~'
  elseif sent and sent ~= id or not may_come_back({id, word, '', record, '', '', key}, now_ms) then
    reply[#reply + 1] = '-'
  else
    reply[#reply + 1] = '+'
  end
end
return reply
