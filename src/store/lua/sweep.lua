-- sweep: forgets chosen ids whose time is over, and a page of unique locks that hold nothing any more.
-- KEYS: pending scheduled retrying active unique seen events
-- ARGV: clock cursor   cursor: '' for no page of locks
-- returns: the cursor of the next page ('0': that was the last), how many locks and how many ids it removed,
--          how many of the locks were left by a job without a window
-- cost: 5 µs a lock, 1 µs an id; 500 ids and 100 to 500 locks a call
-- flags: allow-oom
-- uses: now emit options
local now_us = now()
local now_ms = math.floor(now_us / 1000)
local over = redis.call('ZRANGE', seen, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, 500)
if #over > 0 then redis.call('ZREM', seen, unpack(over)) end
if cursor == '' then return {'0', 0, #over, 0} end

local page, removed, leaked = redis.call('HSCAN', unique, cursor, 'COUNT', 100), 0, 0
for at = 1, #page[2], 2 do
  local key = page[2][at]
  if not holder_of(key, now_ms) then
    local gone = redis.call('HDEL', unique, key)
    removed = removed + gone
    -- Scripts give these back themselves; one whose window is over is the sweep's to forget.
    if string.sub(page[2][at + 1], 1, 2) == '0|' then leaked = leaked + gone end
  end
end
if leaked > 0 then emit('unlocked', {'+' .. leaked}, 'janitor') end
return {page[1], removed, #over, leaked}
