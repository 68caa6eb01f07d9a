-- now(): the instant that this call goes by, in µs: the server's, or the one that a test set.
local function now()
  if clock ~= '' then return tonumber(clock) end
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
