-- locate: where jobs stand.
-- KEYS: pending scheduled retrying active completed cancelled dead leaving
-- ARGV: clock ids...
-- returns: for each id the word of the set that holds it and its mark there (score or claim); '' twice where none does
-- cost: 5 µs a job; 500 jobs a call
-- flags: no-writes
-- uses: lines away
local reply = {}
for at = ids_at, #ARGV do
  local word, mark = standing(ARGV[at])
  reply[#reply + 1], reply[#reply + 2] = word, mark
end
return reply
