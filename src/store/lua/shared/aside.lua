-- weight(id): about how many bytes a copy of a job takes. Needs KEYS jobs history meta.
local function weight(id)
  return redis.call('HSTRLEN', jobs, id) + redis.call('HSTRLEN', history, id)
    + redis.call('STRLEN', string.sub(meta, 1, -5) .. 'log:' .. id)
end

-- set_aside(act, word, ids): copies all that is stored of jobs of the set `word` into one more piece of what `act` may be
-- undone from, for an hour. A piece is a list, twelve values a job. Needs KEYS jobs history crashes keys unique expiring
-- seen meta and those of lines; uses lines.
local function set_aside(act, word, ids)
  local base = string.sub(meta, 1, -5)
  local head = base .. 'undo:' .. act
  local piece = head .. ':' .. redis.call('HINCRBY', head, 'pieces', 1)
  local scores = redis.call('ZMSCORE', line_of[word], unpack(ids))
  for n, id in ipairs(ids) do
    local key = redis.call('HGET', keys, id)
    redis.call('RPUSH', piece, id, word, scores[n], redis.call('HGET', jobs, id) or '',
      redis.call('HGET', history, id) or '', redis.call('HGET', crashes, id) or '', key or '',
      key and redis.call('HGET', unique, key) or '', redis.call('ZSCORE', expiring, id) or '',
      redis.call('ZSCORE', seen, id) or '', redis.call('GET', base .. 'log:' .. id) or '',
      redis.call('GET', base .. 'result:' .. id) or '')
  end
  redis.call('EXPIRE', piece, 3600)
  redis.call('EXPIRE', head, 3600)
end
