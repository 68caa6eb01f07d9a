-- agenda: schedules of a queue and their next ticks: a page of all, or those that are named.
-- KEYS: schedules ticks
-- ARGV: clock cursor names...   cursor: '' where names are given
-- returns: now in ms; the cursor of the next page ('0': that was the last); then name, stored form and next tick ('' for none)
--          of each that is there; one may come twice
-- cost: 1 µs a schedule; 50 to 500 of them a call
-- flags: no-writes
-- uses: now int
local reply = {int(math.floor(now() / 1000)), '0'}
local function add(name, text)
  if not text then return end
  reply[#reply + 1] = name
  reply[#reply + 1] = text
  reply[#reply + 1] = redis.call('ZSCORE', ticks, name) or ''
end
if cursor == '' then
  for at = names_at, #ARGV do add(ARGV[at], redis.call('HGET', schedules, ARGV[at])) end
  return reply
end
local page = redis.call('HSCAN', schedules, cursor, 'COUNT', 50)
reply[2] = page[1]
for at = 1, #page[2], 2 do add(page[2][at], page[2][at + 1]) end
return reply
