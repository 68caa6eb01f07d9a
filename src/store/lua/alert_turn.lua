-- alert_turn: takes, keeps or gives back the turn at evaluating the alerts. Whoever has more to tell than the holder asks for
-- it; the holder lets go at its next call at which it tells nobody, so that no two tell at the same time.
-- KEYS: alerts_turn
-- ARGV: clock holder weight span_ms busy   weight: sinks and rules of its own; span_ms: how long it is kept, 0: given back;
--       busy: 1 while it tells somebody
-- returns: 1 where it is the caller's now, who has it, until when in ms, now in ms, 1 where one who has more to tell asks for
--          it; forgotten a day after the last call
-- cost: 3 µs
-- flags: allow-oom
-- uses: now int
local now_ms = math.floor(now() / 1000)
local by, ends, held_weight, asked = string.match(redis.call('GET', alerts_turn) or '', '^([^|]*)|(%d+)|(%d+)|?(%d*)$')
local until_ms = tonumber(ends) or 0
-- Further ahead than any turn is long: the clock was put back.
local is_live = until_ms > now_ms and until_ms <= now_ms + 600000
if by ~= holder and (is_live or span_ms == '0') then
  if span_ms ~= '0' and tonumber(held_weight) < tonumber(weight) then
    redis.call('SET', alerts_turn, by .. '|' .. int(until_ms) .. '|' .. held_weight .. '|' .. weight, 'EX', 86400)
  end
  return {0, by or '', until_ms, now_ms, 0}
end
local is_wanted = by == holder and (tonumber(asked) or 0) > tonumber(weight)
local lets_go = is_wanted and busy == '0'
until_ms = now_ms + (lets_go and 0 or tonumber(span_ms))
local rest = (busy == '1' and asked and asked ~= '') and '|' .. asked or ''
redis.call('SET', alerts_turn, holder .. '|' .. int(until_ms) .. '|' .. weight .. rest, 'EX', 86400)
return {lets_go and 0 or 1, holder, until_ms, now_ms, is_wanted and 1 or 0}
