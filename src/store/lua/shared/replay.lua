-- replay(worker, call, reply): what the worker's last fetch handed out, where `call` is that fetch again: {id, claim, record,
-- history, crashes, …} for what it still holds goes into `reply`; false where it is a new one. Needs KEYS handed active jobs history crashes.
local function replay(worker, call, reply)
  local last = redis.call('HGET', handed, worker)
  local number, ids = string.match(last or '', '^%d+ (%d+) ?(.*)$')
  if number ~= call then return false end
  for id in string.gmatch(ids, '%S+') do
    local claim, record = redis.call('HGET', active, id), redis.call('HGET', jobs, id)
    if claim and record and string.find(claim, '|' .. worker .. '|', 1, true) and string.sub(claim, 1, 9) ~= 'cancelled' then
      for _, value in ipairs({id, claim, record, redis.call('HGET', history, id) or '', redis.call('HGET', crashes, id) or ''}) do
        reply[#reply + 1] = value
      end
    end
  end
  return true
end
