-- breaker_of(name): what is stored of the breaker of a dependency; zeros where nothing is. `by`: the worker that opened it,
-- or `operator`; `said`: code and message of the last failure. Needs KEYS breakers.
local function breaker_of(name)
  local text = redis.call('HGET', breakers, name) or ''
  local failures, last, opened, due, wait, probe, by, said =
    string.match(text, '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|([^|]*)|([^|]*)|?(.*)$')
  return {failures = tonumber(failures) or 0, last_ms = tonumber(last) or 0, opened_ms = tonumber(opened) or 0,
    due_ms = tonumber(due) or 0, wait_ms = tonumber(wait) or 0, probe = probe or '', by = by or '', said = said or ''}
end

-- keep_breaker(name, b): stores it. Needs KEYS breakers; uses int.
local function keep_breaker(name, b)
  local numbers = {int(b.failures), int(b.last_ms), int(b.opened_ms), int(b.due_ms), int(b.wait_ms)}
  redis.call('HSET', breakers, name, table.concat({table.concat(numbers, '|'), b.probe, b.by, b.said}, '|'))
end
