-- What leaves a place for another goes in pages: `leaving` holds a packed copy of each thing until the page has arrived. Its
-- name says what it is: 'j' and the id of a job, 's' a schedule, 'b' a batch, 'l' a unique key, 'n' an id that is remembered,
-- 'o' a job for another queue, 't' the totals; 'u' and a unique key names its job. Pages have rising numbers, so that a place takes each once.

-- ended: the sets of jobs that wait for nothing.
local ended = {completed = true, cancelled = true, dead = true}

-- copy_of(id, word, score): all that is stored of a job of the set `word`, but what a hand made another type of. Needs KEYS jobs
-- history crashes keys unique expiring seen batched meta; uses parked int.
local function copy_of(id, word, score)
  local base, level, arrival = string.sub(meta, 1, -5), rank_of(tonumber(score))
  if word == 'parked' then word, score = 'pending:' .. int(level), int(arrival) end
  local key = redis.call('HGET', keys, id)
  local said, told = redis.pcall('GET', base .. 'log:' .. id), redis.pcall('GET', base .. 'result:' .. id)
  return {id, word, score, redis.call('HGET', jobs, id) or '', redis.call('HGET', history, id) or '',
    redis.call('HGET', crashes, id) or '', key or '', key and redis.call('HGET', unique, key) or '',
    redis.call('ZSCORE', expiring, id) or '', redis.call('ZSCORE', seen, id) or '',
    type(said) == 'string' and said or '', type(told) == 'string' and told or '',
    redis.call('HGET', batched, id) or ''}
end

-- take(line, copies): takes jobs out of the set `line`, once they are copied. Their logs and results stay until they have
-- arrived. Needs what copy_of does and leaving.
local function take(line, copies)
  for _, copy in ipairs(copies) do
    local id, key, owner = copy[1], copy[7], string.match(copy[8], '^%d+|(.*)$')
    redis.call('HSET', leaving, 'j' .. id, cmsgpack.pack(copy))
    if owner == id then
      redis.call('HSET', leaving, 'u' .. key, id)
      redis.call('HDEL', unique, key)
    end
    for _, hash in ipairs({jobs, history, crashes, keys, batched}) do redis.call('HDEL', hash, id) end
    for _, set in ipairs({expiring, seen, line}) do redis.call('ZREM', set, id) end
  end
end

-- number_page(now_us): gives the page that begins its number. Needs KEYS meta; uses int.
local function number_page(now_us)
  redis.call('HSET', meta, 'page', int(math.max((tonumber(redis.call('HGET', meta, 'page')) or 0) + 1, now_us)))
end

-- on_its_way(): the last fence, the number of the page that has left and is not known to have arrived, and of each thing in
-- it its name and thirteen values; nothing where there is none. Needs KEYS meta leaving.
local function on_its_way()
  if redis.call('EXISTS', leaving) == 0 then return {} end
  local reply, met, cursor = {redis.call('HGET', meta, 'fence') or '0', redis.call('HGET', meta, 'page') or '0'}, {}, '0'
  repeat
    local part = redis.call('HSCAN', leaving, cursor, 'COUNT', 1000)
    cursor = part[1]
    for at = 1, #part[2], 2 do
      local name = part[2][at]
      if string.sub(name, 1, 1) ~= 'u' and not met[name] then
        local values = cmsgpack.unpack(part[2][at + 1])
        met[name], reply[#reply + 1] = true, name
        for n = 1, 13 do reply[#reply + 1] = values[n] or '' end
      end
    end
  until cursor == '0'
  return reply
end
