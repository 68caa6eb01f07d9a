-- fetch: promotes what is due, then claims jobs for a worker; the same call again gets the same claims.
-- KEYS: jobs history crashes pending scheduled retrying active workers handed dead unique keys expiring seen config meta events wake
-- ARGV: clock worker call slots prefetch lease_ms alone
--       slots: jobs it can start now; prefetch: more that it will finish in 10 ms; alone: '1' where it holds nothing
-- returns: ms until to ask again (-2: paused, -1: not known, 0: now), settings version, '1' where a job waits for an empty worker,
--          then of the claimed jobs: id and claim of each; their records; histories; crashes (nothing where none has any)
-- refuses: LAYOUT
-- cost: 1.5 µs a job in batches of 100-500; 1,000 jobs a call
-- flags: allow-oom
-- uses: now int layout count arrive wake emit tally unlock drop keep promote keyed parked expire line allow grant replay sort_out park resume unpark limited claim unline charge hand
-- moves: Promote Claim Expire
local now_us = now()
layout()
local rule = rules()
redis.call('ZADD', workers, math.floor(now_us / 1000) + lease_ms, worker)
local reply = {0, rule.version, '0'}
if replay(worker, call, reply) then return reply end

local moved = promote_due(now_us, 200)
local expired = expire_due(now_us, 200)
local want, again_ms = grant(now_us, math.min(slots + prefetch, 1000), rule)
-- More of them may be past their time than one call buries: none is handed out before they are gone.
if expired == 200 then return reply end
if want == 0 then return {again_ms, rule.version, '0'} end

local line, more = startable(now_us, want, rule)
local found = #line.ids
local chosen, passed, lonely = choose(line, tonumber(slots), alone == '1', rule)
if #chosen.ids > 0 then hand(now_us, chosen, rule, passed or rule.aging_us or line.scattered, reply) end
if lonely and runs_empty(now_us, worker, lonely) then reply[3] = '1' end
if found < want and again_ms < 0 then again_ms = next_ms(now_us, rule) end
if more or (found == want and again_ms < 0 and not passed) then again_ms = 0 end
reply[1] = again_ms
return reply
