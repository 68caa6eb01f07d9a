-- key_rules(rule): what is set for keys, as fetch needs it: nothing where neither keys have limits nor jobs are parked.
-- `field`: of the keys that are limited; `parking`: of those under which jobs were parked. Needs KEYS config.
local function key_rules(field, parking)
  local set = redis.call('HMGET', config, 'key_concurrency', 'key_rate_us', 'key_rate_burst', 'key_own')
  local keyed = {concurrency = tonumber(set[1]), rate_us = tonumber(set[2]), burst = tonumber(set[3]) or 1,
    own = set[4] == '1', parking = parking}
  if field and field ~= '' and (keyed.concurrency or keyed.rate_us or keyed.own) then keyed.field = field end
  return (keyed.field or parking) and keyed or nil
end

-- allow(now_us, list, keyed): for each key of `list` how many jobs may start now (`free`), and what charge and may_go_on go
-- by. A number of running jobs that is none, or above all claims there are, and a rate's time that a jump or a hand put too
-- far ahead, count as what they can be at most. Needs KEYS active meta.
local function allow(now_us, list, keyed)
  local base, limits = string.sub(meta, 1, -5), {}
  if #list == 0 then return limits end
  local runs, held = redis.call('HMGET', base .. 'running', unpack(list)), redis.call('HLEN', active)
  local own = keyed.own and redis.call('HMGET', base .. 'limits', unpack(list)) or {}
  local paced = (keyed.own or keyed.rate_us) and redis.call('HMGET', base .. 'paced', unpack(list)) or {}
  for n, key in ipairs(list) do
    local most, rate_us, burst = keyed.concurrency, keyed.rate_us, keyed.burst
    if own[n] then
      local own_most, own_us, own_burst = string.match(own[n], '^([^|]*)|([^|]*)|([^|]*)')
      if own_most ~= '' then most = tonumber(own_most) end
      if own_us ~= '' then rate_us, burst = tonumber(own_us), tonumber(own_burst) or 1 end
    end
    if rate_us and rate_us <= 0 then rate_us = nil end
    local limit = {runs = math.max(0, math.min(tonumber(runs[n]) or 0, held)), most = most, rate_us = rate_us}
    limit.free = most and math.max(0, most - limit.runs) or math.huge
    if rate_us then
      limit.ahead_us = rate_us * burst
      local tat = tonumber(paced[n])
      if not tat or tat ~= tat or tat < now_us or tat > now_us + limit.ahead_us then tat = now_us end
      limit.tat = tat
      limit.free = math.min(limit.free, math.floor((now_us + limit.ahead_us - tat) / rate_us))
    end
    limits[key] = limit
  end
  return limits
end

-- may_go_on(now_us, limit, taken): the ms at which the next job of a key may start after `taken` more, half a minute from now
-- at most: then it is looked at again, whatever has changed. Where others of the key must end first nobody knows when: who
-- ends one hastens it.
local function may_go_on(now_us, limit, taken)
  local at_us = now_us
  if limit.most and limit.runs + taken >= limit.most then at_us = now_us + 30000000 end
  if limit.rate_us then at_us = math.max(at_us, limit.tat + limit.rate_us * (taken + 1) - limit.ahead_us) end
  return math.ceil(math.min(at_us, now_us + 30000000) / 1000)
end
