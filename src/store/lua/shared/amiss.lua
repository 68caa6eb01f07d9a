-- places: the sets that may hold a job, those first that win where two do: running before waiting before ended.
local places = {'active', 'pending:0', 'pending:1', 'pending:2', 'pending:3', 'parked', 'retrying', 'scheduled', 'dead',
  'completed', 'cancelled'}
local has_ended = {dead = true, completed = true, cancelled = true}

-- holds(word, id): whether a set holds a job. Needs KEYS active; uses lines.
local function holds(word, id)
  if word == 'active' then return redis.call('HEXISTS', active, id) == 1 end
  return redis.call('ZSCORE', line_of[word], id) and true
end

-- wrong_with(what, id, value): what contradicts the rest in the entry of a job in the key `what`; nil where nothing does:
-- 'orphaned' a state holds an id without a record, 'leftover' another key does, or one of a batch that has ended,
-- 'doubled' a set before this one holds it too, 'unreadable' the claim is none, 'relocked' its unique key is not taken;
-- where `what` is 'unique', `id` is a unique key: 'unlocked' nothing holds it.
-- Needs KEYS jobs active unique; uses lines.
local function wrong_with(what, id, value)
  if what == 'unique' then
    local owner = string.match(value, '^0|(.*)$')
    local found = owner and where(owner)
    return found and (found == '' or has_ended[found]) and 'unlocked' or nil
  end
  local of_state = what == 'active' or line_of[what]
  if redis.call('HEXISTS', jobs, id) == 0 then return of_state and 'orphaned' or 'leftover' end
  if what == 'active' then
    local claim = string.sub(value, 1, 10) == 'cancelled|' and string.sub(value, 11) or value
    return not string.match(claim, '^%d+|[0-3]:%d+|%d+|[^|]+|[^|]*|[^|]*$') and 'unreadable' or nil
  end
  if of_state then
    for _, word in ipairs(places) do
      if word == what then return nil end
      if holds(word, id) then return 'doubled' end
    end
  end
  local found = (what == 'keys' or what == 'batched') and where(id) or ''
  if what == 'batched' and has_ended[found] then return 'leftover' end
  if what == 'keys' and found ~= '' and not has_ended[found] and redis.call('HEXISTS', unique, value) == 0 then
    return 'relocked'
  end
  return nil
end

-- held_elsewhere(what, id): whether another set than `what` holds a job too.
local function held_elsewhere(what, id)
  for _, word in ipairs(places) do
    if word ~= what and holds(word, id) then return true end
  end
  return false
end
