-- amiss: a page of one key of a queue: the jobs in it whose entry contradicts the rest, and how.
-- KEYS: jobs pending scheduled retrying active completed cancelled dead unique meta
-- ARGV: clock what cursor   what: the word of the key
-- returns: the cursor of the next page ('0': that was the last), then id and word of each
-- cost: 5 µs an entry; 100 to 500 entries a call
-- flags: no-writes
-- uses: lines amiss
local is_sorted = line_of[what] or what == 'expiring'
local name = string.sub(meta, 1, -5) .. what
local page = is_sorted and redis.call('ZSCAN', name, cursor, 'COUNT', 100) or redis.call('HSCAN', name, cursor, 'COUNT', 100)
local reply = {page[1]}
for at = 1, #page[2], 2 do
  local word = wrong_with(what, page[2][at], page[2][at + 1])
  if word then reply[#reply + 1], reply[#reply + 2] = page[2][at], word end
end
return reply
