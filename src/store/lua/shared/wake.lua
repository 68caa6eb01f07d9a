-- wake_one(): leaves a token for one waiting worker, if none lies there. Needs KEYS wake.
local function wake_one()
  if redis.call('LLEN', wake) == 0 then redis.call('LPUSH', wake, '1') end
end
