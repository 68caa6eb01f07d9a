-- admit: takes jobs of another server in as they stood there; ids that are or lately were here stay as they are.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events wake
-- ARGV: clock who check asked jobs...   check: '1' where it only answers; asked: '<N' where the places of N partitions were
--       asked, else ''; jobs: id, set, score, record, history, crashes, unique key,
--       expiry in ms ('' for what it has not)
-- returns: for each job '+' where it is in (or would be), '~' the same job is here already, '=' the id is taken, '=<id>' that
--          job holds its unique key
-- refuses: LAYOUT PARTITIONS
-- cost: 15 µs a job; 200 jobs a call
-- flags:
-- uses: now int layout count wake emit options lines
-- moves: Restore
local now_us = now()
if check ~= '1' then layout(asked == '' and 'adds' or asked) end
local reply, taken, held, added = {}, {}, {}, {}
for at = jobs_at, #ARGV, 8 do
  local id, word, score, record, told, times, key, expiry = unpack(ARGV, at, at + 7)
  local stored = redis.call('HGET', jobs, id)
  local holder = key ~= '' and (held[key] or holder_of(key, math.floor(now_us / 1000)))
  -- The key that a producer wrote in front is none of the job's.
  if stored == record or (stored and string.gsub(stored, '^(%d+)@[^{]*{', '%1{') == record) then
    reply[#reply + 1] = '~'
  elseif stored or taken[id] or redis.call('ZSCORE', seen, id) then
    reply[#reply + 1] = '='
  elseif holder and holder ~= id then
    reply[#reply + 1] = '=' .. holder
  else
    reply[#reply + 1], taken[id] = '+', true
    if key ~= '' then held[key] = id end
    if check ~= '1' then
      added[#added + 1] = id
      redis.call('HSET', jobs, id, record)
      if told ~= '' then redis.call('HSET', history, id, told) end
      if times ~= '' then redis.call('HSET', crashes, id, times) end
      if key ~= '' then redis.call('HSET', keys, id, key) redis.call('HSET', unique, key, '0|' .. id) end
      if expiry ~= '' then redis.call('ZADD', expiring, expiry, id) end
      redis.call('ZADD', seen, 'inf', id)
      redis.call('ZADD', line_of[word], score, id)
    end
  end
end
if #added == 0 then return reply end
count(now_us, 'admitted', #added)
emit('admitted', #added > 20 and {'+' .. #added} or added, who)
wake_one()
return reply
