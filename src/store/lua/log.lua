-- log: appends what attempts said to their jobs' logs, kept for a day, a mebibyte each.
-- KEYS: meta
-- ARGV: clock jobs...   jobs: id, text, from ('' where nobody knows how long the log is)
-- returns: how long each log is then
-- cost: 3 µs a job; 500 jobs a call
-- flags:
-- uses:
-- What of a text stands there from `from` on is not written again: a call may come twice, and after one with more.
local lengths = {}
for at = jobs_at, #ARGV, 3 do
  local name = string.sub(meta, 1, -5) .. 'log:' .. ARGV[at]
  local text, from = ARGV[at + 1], tonumber(ARGV[at + 2])
  local length = redis.call('STRLEN', name)
  if from and length >= from then text = string.sub(text, length - from + 1) end
  if text ~= '' and length < 1048576 then length = redis.call('APPEND', name, text) end
  if length > 0 then redis.call('EXPIRE', name, 86400) end
  table.insert(lengths, length)
end
return lengths
