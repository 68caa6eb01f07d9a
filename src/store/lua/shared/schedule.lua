-- read_schedule(text): a stored schedule, 'revision|paused|fired|missed|overlapped|last{json}', where `last` is '' or
-- 'tick|instant|outcome|job' of the last tick and the last job; nothing where it is none.
local function read_schedule(text)
  local revision, paused, fired, missed, overlapped, last, json =
    string.match(text or '', '^(%d+)|(%d)|(%d+)|(%d+)|(%d+)|([^{]*)({.*)$')
  if not json then return nil end
  return {revision = revision, paused = paused, fired = fired, missed = missed, overlapped = overlapped, last = last,
    json = json, job = string.match(last, '([^|]*)$')}
end

-- write_schedule(name, s): stores it. Needs KEYS schedules; uses int.
local function write_schedule(name, s)
  local head = {s.revision, s.paused, int(tonumber(s.fired)), int(tonumber(s.missed)), int(tonumber(s.overlapped)), s.last}
  redis.call('HSET', schedules, name, table.concat(head, '|') .. s.json)
end
