-- alert_move: moves alerts and notices, each only from how it was seen, all of them or none; with what is told of it.
-- KEYS: alerts_turn alerting alerts_outbox alerts_history
-- ARGV: clock holder kept moves...   holder: must have the turn, '' need not; kept: about so many entries of the history
--       stay; moves: where (alerting, outbox, history), field, before ('': not there), after ('': gone)
-- returns: 1 done, 0 the turn is another's, -1 something is not as it was seen, -2 1,000 notices wait already
-- cost: 5 µs, 1 µs a move; at most 250 of them
-- flags: allow-oom
-- uses: now
if holder ~= '' then
  local by, ends = string.match(redis.call('GET', alerts_turn) or '', '^([^|]*)|(%d+)|%d+|?%d*$')
  if by ~= holder or tonumber(ends) <= math.floor(now() / 1000) then return 0 end
end
local hashes = {alerting = alerting, outbox = alerts_outbox}
local waiting = redis.call('HLEN', alerts_outbox)
for i = moves_at, #ARGV, 4 do
  local where, field, before, after = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if hashes[where] then
    if (redis.call('HGET', hashes[where], field) or '') ~= before then return -1 end
    if where == 'outbox' and before == '' and after ~= '' and waiting >= 1000 then return -2 end
  end
end
-- The one key whose type is not known by now comes first, so that nothing is half done where a hand broke it.
for i = moves_at, #ARGV, 4 do
  if ARGV[i] == 'history' then redis.call('XADD', alerts_history, 'MAXLEN', kept, '*', 'entry', ARGV[i + 3]) end
end
for i = moves_at, #ARGV, 4 do
  local hash, field, after = hashes[ARGV[i]], ARGV[i + 1], ARGV[i + 3]
  if hash and after == '' then
    redis.call('HDEL', hash, field)
  elseif hash then
    redis.call('HSET', hash, field, after)
  end
end
return 1
