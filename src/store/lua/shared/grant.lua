-- rules(): what is set for the queue, as fetch needs it. `held`: a new partition whose time has not come is like a paused one.
-- `partitions_busy`: jobs that still run in partitions that became this one count in its concurrency.
-- Needs KEYS config; uses allow.
local function rules()
  local set = redis.call('HMGET', config, 'paused', 'concurrency', 'rate_us', 'rate_burst', 'aging_us', 'crash_limit',
    'version', 'events', 'key', 'parking', 'held', 'partitions_busy')
  local keyed = ((set[9] or '') ~= '' or set[10]) and key_rules(set[9], set[10]) or nil
  local most = tonumber(set[2])
  return {paused = set[1] == '1' or set[11] == '1', concurrency = most and most - (tonumber(set[12]) or 0), rate_us = tonumber(set[3]),
    burst = tonumber(set[4]) or 1, aging_us = tonumber(set[5]), crash_limit = tonumber(set[6]) or 3,
    version = set[7] or '0', events = set[8], keyed = keyed}
end

-- grant(now_us, want, rule): how many of `want` jobs may start now, and in how many ms to ask again where a limit says
-- less (-1: not known, -2: paused). GCRA: a start advances the theoretical arrival time by rate_us, and it may run ahead of now by a burst.
-- Needs KEYS active meta.
local function grant(now_us, want, rule)
  if rule.paused then return 0, -2 end
  local again_ms = -1
  if rule.concurrency then want = math.min(want, math.max(0, rule.concurrency - redis.call('HLEN', active))) end
  if rule.rate_us and rule.rate_us > 0 and want > 0 then
    local ahead_us = rule.rate_us * rule.burst
    local tat = tonumber(redis.call('HGET', meta, 'tat'))
    -- Further ahead than a burst, or no number: a clock jumped or a hand slipped; begin anew.
    if not tat or tat ~= tat or tat < now_us or tat > now_us + ahead_us then tat = now_us end
    local free = math.floor((now_us + ahead_us - tat) / rule.rate_us)
    if free < want then again_ms = math.ceil((tat + rule.rate_us * (free + 1) - ahead_us - now_us) / 1000) end
    want = math.min(want, free)
    rule.tat = tat
  end
  return want, again_ms
end

-- next_due_ms(now_us): in how many ms the first scheduled or retrying job is due, -1 if there is none.
-- Needs KEYS scheduled retrying.
local function next_due_ms(now_us)
  local due_ms = -1
  for _, line in ipairs({scheduled, retrying}) do
    local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    if first[2] then
      local wait = math.max(0, math.floor(first[2] / 4) - math.floor(now_us / 1000))
      due_ms = due_ms < 0 and wait or math.min(due_ms, wait)
    end
  end
  return due_ms
end
