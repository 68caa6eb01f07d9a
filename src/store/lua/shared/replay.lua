-- replay(worker, call, reply): what the worker's last fetch handed out, where `call` is that fetch again: what it still holds
-- goes into `reply` as from hand; false where it is a new one. Needs KEYS handed active jobs history crashes.
local function replay(worker, call, reply)
  if string.match(redis.call('HGET', handed, worker) or '', '^%d+ (%d+)$') ~= call then return false end
  local claims, records, told, fallen = {}, {}, {}, {}
  for id in string.gmatch(redis.call('HGET', handed, worker .. '@') or '', '%S+') do
    local claim, record = redis.call('HGET', active, id), redis.call('HGET', jobs, id)
    if claim and record and string.find(claim, '|' .. worker .. '|', 1, true) and string.sub(claim, 1, 9) ~= 'cancelled' then
      local n = #records + 1
      claims[2 * n - 1], claims[2 * n], records[n] = id, claim, record
      told[n], fallen[n] = redis.call('HGET', history, id), redis.call('HGET', crashes, id)
    end
  end
  reply[4], reply[5], reply[6], reply[7] = claims, records, told, fallen
  return true
end
