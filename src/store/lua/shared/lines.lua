-- line_of: the sorted sets that hold jobs, by their words; `pending` in a header also means `parked`. Needs KEYS pending scheduled retrying completed cancelled dead.
local line_of = {['pending:0'] = pending[1], ['pending:1'] = pending[2], ['pending:2'] = pending[3],
  ['pending:3'] = pending[4], scheduled = scheduled, retrying = retrying, completed = completed, cancelled = cancelled,
  dead = dead, parked = parked}

-- where(id): the word of the set that holds a job, and its mark there: the claim where it is active, else the score.
-- Needs KEYS active.
local function where(id)
  local claim = redis.call('HGET', active, id)
  if claim then return 'active', claim end
  for word, line in pairs(line_of) do
    local score = redis.call('ZSCORE', line, id)
    if score then return word, score end
  end
  return '', ''
end

-- as_seen(line, ids, at, step): which of `ids` are in the set `line` with the score that ARGV names for each (the first
-- at `at`, the others every `step`): a table of true and false.
local function as_seen(line, ids, at, step)
  local same = {}
  if #ids == 0 then return same end
  local scores = redis.call('ZMSCORE', line, unpack(ids))
  for n = 1, #ids do same[n] = scores[n] and tonumber(scores[n]) == tonumber(ARGV[at + (n - 1) * step]) or false end
  return same
end
