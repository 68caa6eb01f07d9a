-- alert_turn: takes, keeps or gives back the turn at evaluating the alerts. Whoever has more to tell goes before who has less.
-- KEYS: alerts_turn
-- ARGV: clock holder weight span_ms   weight: sinks and rules of its own; span_ms: how long it is kept, 0: given back
-- returns: 1 where it is the caller's now, who has it, until when in ms, now in ms
-- cost: 3 µs
-- flags: allow-oom
-- uses: now int
local now_ms = math.floor(now() / 1000)
local by, ends, held_weight = string.match(redis.call('GET', alerts_turn) or '', '^([^|]*)|(%d+)|(%d+)$')
local until_ms = tonumber(ends) or 0
-- Further ahead than any turn is long: the clock was put back.
local is_live = until_ms > now_ms and until_ms <= now_ms + 600000
if is_live and by ~= holder and tonumber(held_weight) >= tonumber(weight) then return {0, by, until_ms, now_ms} end
-- What is not ours is not ours to give back.
if span_ms == '0' and by ~= holder then return {0, by or '', until_ms, now_ms} end
until_ms = now_ms + tonumber(span_ms)
redis.call('SET', alerts_turn, holder .. '|' .. int(until_ms) .. '|' .. weight)
return {1, holder, until_ms, now_ms}
