-- promote: moves what is due into line and buries what is past its ttl; for times when no fetch does it.
-- KEYS: jobs history crashes pending scheduled retrying active dead unique keys expiring seen config meta events wake
-- ARGV: clock limit
-- returns: how many jobs it moved or looked at; where that is `limit` or more there may be more
-- refuses: LAYOUT
-- cost: 3 µs a job; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep promote keyed parked expire
-- moves: Promote Expire
local now_us = now()
layout()
local moved = promote_due(now_us, tonumber(limit))
local expired = expire_due(now_us, tonumber(limit))
if moved > 0 then wake_one() end
return moved + expired
