-- may_come_back(job, now_ms): whether a copied job is nowhere, or still cancelled as the act left it, and nobody else holds
-- its unique key. Needs KEYS jobs cancelled and those of lines and options; uses lines options.
local function may_come_back(job, now_ms)
  local id, word, record, key = job[1], job[2], job[4], job[7]
  local place = where(id)
  local stored = redis.call('HGET', jobs, id)
  -- The same arrival and text: no other job of that id.
  local ours = place == 'cancelled' and word ~= 'cancelled' and stored == record
  if (place ~= '' or stored) and not ours then return false end
  local holder = key ~= '' and holder_of(key, now_ms)
  return not holder or holder == id
end

-- put_back(job): stores a copied job as it was: id, set, score, record, history, crashes, unique key, its lock, expiry, how
-- long its id is remembered, log, result. Needs KEYS jobs history crashes cancelled unique keys expiring seen meta; uses lines.
local function put_back(job)
  local id, word, score, record, told, times, key, lock, expiry, known, log, result = unpack(job)
  local base = string.sub(meta, 1, -5)
  if record ~= '' then redis.call('HSET', jobs, id, record) end
  if told ~= '' then redis.call('HSET', history, id, told) end
  if times ~= '' then redis.call('HSET', crashes, id, times) end
  if key ~= '' then redis.call('HSET', keys, id, key) end
  if lock ~= '' then redis.call('HSET', unique, key, lock) end
  if expiry ~= '' then redis.call('ZADD', expiring, expiry, id) end
  if known ~= '' then redis.call('ZADD', seen, known, id) end
  if log ~= '' then redis.call('SET', base .. 'log:' .. id, log, 'EX', 86400) end
  if result ~= '' then redis.call('SET', base .. 'result:' .. id, result, 'EX', 3600) end
  redis.call('ZADD', line_of[word], score, id)
  if word ~= 'cancelled' then redis.call('ZREM', cancelled, id) end
end
