-- durable_mark(set, usual, last, call): what the answer to this call begins with on a durable queue, '~<mode> <since> ';
-- '' on any other. The calls of the producer from number `since` to this one follow one another in what this server
-- holds: `last`, its last call as stored here, is the one before or the run begins anew.
local function durable_mark(set, usual, last, call)
  local mode = (set == 'off' or set == 'auto' or set == 'on') and set or usual
  if mode == 'off' then return '' end
  local before, since = string.match(last or '', '^(%d+) ~%a+ (%d+) ')
  if tonumber(before) ~= tonumber(call) - 1 then since = call end
  return '~' .. mode .. ' ' .. since .. ' '
end

-- remember(ids): notes every id of a durable queue like a chosen one, since it may be sent again. Needs KEYS seen.
local function remember(ids)
  local marks = {}
  for n = 1, #ids do marks[2 * n - 1], marks[2 * n] = 'inf', ids[n] end
  redis.call('ZADD', seen, unpack(marks))
end

-- key_mark(field): what the answer goes on with where a field says what the keys of jobs are, '@<field> ', so that the
-- producer writes them in front of the records to come.
local function key_mark(field)
  return (field or '') ~= '' and '@' .. field .. ' ' or ''
end
