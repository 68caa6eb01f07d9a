-- alert_put: writes a rule or a mute, or removes it, with what is told of it.
-- KEYS: alerts alerts_history
-- ARGV: clock name json most kept entry   json: '' removes it; most: so many may be there; kept: about so many entries of
--       the history stay; entry: '' tells nothing
-- returns: 1 done, 0 it was not there, -1 there are so many already
-- cost: 3 µs
-- flags: allow-oom
-- uses:
local is_there = redis.call('HEXISTS', alerts, name) == 1
if json == '' and not is_there then return 0 end
if json ~= '' and not is_there and redis.call('HLEN', alerts) >= tonumber(most) then return -1 end
if entry ~= '' then redis.call('XADD', alerts_history, 'MAXLEN', kept, '*', 'entry', entry) end
if json == '' then redis.call('HDEL', alerts, name) else redis.call('HSET', alerts, name, json) end
return 1
