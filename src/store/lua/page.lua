-- page: jobs of one state with what is stored of them, until it is about a mebibyte.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead
-- ARGV: clock line order brief first count ids...   order: 'REV' for the highest scores first; brief: '1' where the arrival
--       is enough of the record; first, count: ranks; ids: these instead (always, where the line is `active`)
-- returns: id, mark (score or claim), record, history, crashes of each ('' where there is none)
-- cost: 2 µs a job and 0.1 ms a mebibyte read; 500 jobs a call
-- flags: no-writes
-- uses: lines
local found, reply, bytes = {}, {}, 0
if ARGV[ids_at] or line == 'active' then
  for at = ids_at, #ARGV do
    local mark = line == 'active' and redis.call('HGET', active, ARGV[at]) or
      line ~= 'active' and redis.call('ZSCORE', line_of[line], ARGV[at])
    if mark then found[#found + 1], found[#found + 2] = ARGV[at], mark end
  end
elseif order == 'REV' then
  found = redis.call('ZRANGE', line_of[line], first, first + count - 1, 'REV', 'WITHSCORES')
else
  found = redis.call('ZRANGE', line_of[line], first, first + count - 1, 'WITHSCORES')
end
for n = 1, #found, 2 do
  local id = found[n]
  local record, told = redis.call('HGET', jobs, id) or '', redis.call('HGET', history, id) or ''
  bytes = bytes + #record + #told
  if n > 1 and bytes > 1048576 then break end
  if brief == '1' then record = string.sub(record, 1, 24) end
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = id, found[n + 1], record, told
  reply[at + 5] = redis.call('HGET', crashes, id) or ''
end
return reply
