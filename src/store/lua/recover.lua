-- recover: takes back claims of workers whose lease has ended. Each counts a crash; that of a claim that was handed
--          out alone buries the job at the limit.
-- KEYS: jobs history crashes pending active workers handed dead cancelled unique keys expiring seen config meta events wake
-- ARGV: clock worker lease_ms jobs...   jobs: id, claim as it stands, history with this crash ('' leaves what is there);
--       lease_ms: the grace for a claim whose worker has no lease
-- returns: id, crashes, where it went ('pending', 'dead', 'cancelled') of each job that was taken back
-- refuses: LAYOUT
-- cost: 8 µs a job; 500 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep expire rank fallen slots
-- moves: Recover Cancel
local now_us = now()
local now_ms = math.floor(now_us / 1000)
layout()
local limit = tonumber(redis.call('HGET', config, 'crash_limit')) or 3
local lost = silent_claims(now_ms)
local reply, back, buried, stopped, claims = {}, {}, {}, {}, {}
for _, job in ipairs(lost) do
  local times, over, into, where = 0, false, stopped, 'cancelled'
  if string.sub(job.claim, 1, 10) ~= 'cancelled|' then
    times, over = fall(job.id, limit, string.sub(job.claim, -6) == '|alone')
    if job.told ~= '' then redis.call('HSET', history, job.id, job.told) end
    if over then into, where = buried, 'dead' else into, where = back, 'pending' end
  end
  into[#into + 1] = job.id
  if into == back then to_rank(job.id, job.claim) end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = job.id, times, where
end
settle(now_us, back, buried, stopped)
for _, job in ipairs(lost) do
  redis.call('HDEL', active, job.id)
  redis.call('HINCRBY', handed, job.owner .. '#', -1)
  claims[#claims + 1] = job.claim
end
if free(now_us, keys_of(claims)) then wake_one() end
return reply
