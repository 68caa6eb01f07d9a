-- strays: a page of the records: those that no set holds.
-- KEYS: jobs pending scheduled retrying active completed cancelled dead
-- ARGV: clock cursor size
-- returns: the cursor of the next page ('0': that was the last), then the ids
-- cost: 5 µs a record and what reading it costs; `size` records a call, 500 at most
-- flags: no-writes
-- uses: lines
local page = redis.call('HSCAN', jobs, cursor, 'COUNT', size)
local reply = {page[1]}
for at = 1, #page[2], 2 do
  if where(page[2][at]) == '' then reply[#reply + 1] = page[2][at] end
end
return reply
