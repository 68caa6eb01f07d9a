-- rights: which of these commands the user may not send.
-- KEYS: meta
-- ARGV: clock calls...   calls: the words of a command, parted by spaces; @ stands for the key
-- returns: the position of each that is refused, from 0
-- cost: 1 µs a command; 100 commands a call
-- flags: no-writes
-- uses:
local refused = {}
for at = calls_at, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[at], '%S+') do words[#words + 1] = word == '@' and meta or word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then refused[#refused + 1] = at - calls_at end
end
return refused
