-- weight(id): about how many bytes a copy of a job takes. Needs KEYS jobs history meta.
local function weight(id)
  return redis.call('HSTRLEN', jobs, id) + redis.call('HSTRLEN', history, id)
    + redis.call('STRLEN', string.sub(meta, 1, -5) .. 'log:' .. id)
end

-- set_aside(act, word, ids): copies all that is stored of jobs of the set `word` (at most 500) into one more piece of what
-- `act` may be undone from, for an hour. A piece is a list, twelve values a job. Needs KEYS jobs history crashes keys unique
-- expiring seen meta and those of lines; uses lines parked int.
local function set_aside(act, word, ids)
  local base, names, copies = string.sub(meta, 1, -5), {}, {}
  local head = base .. 'undo:' .. act
  local piece = head .. ':' .. redis.call('HINCRBY', head, 'pieces', 1)
  for n, id in ipairs(ids) do names[2 * n - 1], names[2 * n] = base .. 'log:' .. id, base .. 'result:' .. id end
  local said, scores = redis.call('MGET', unpack(names)), redis.call('ZMSCORE', line_of[word], unpack(ids))
  local records, told = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', history, unpack(ids))
  local times, owned = redis.call('HMGET', crashes, unpack(ids)), redis.call('HMGET', keys, unpack(ids))
  local ends, known = redis.call('ZMSCORE', expiring, unpack(ids)), redis.call('ZMSCORE', seen, unpack(ids))
  for n, id in ipairs(ids) do
    local set, score = word, scores[n]
    if word == 'parked' and score then
      -- It comes back into line, where the limits of then are asked.
      local level, arrival = rank_of(tonumber(score))
      set, score = 'pending:' .. int(level), int(arrival)
    end
    local lock = owned[n] and redis.call('HGET', unique, owned[n])
    for _, value in ipairs({id, set, score, records[n] or '', told[n] or '', times[n] or '', owned[n] or '',
      lock or '', ends[n] or '', known[n] or '', said[2 * n - 1] or '', said[2 * n] or ''}) do
      copies[#copies + 1] = value
    end
  end
  redis.call('RPUSH', piece, unpack(copies))
  redis.call('EXPIRE', piece, 3600)
  redis.call('EXPIRE', head, 3600)
end
