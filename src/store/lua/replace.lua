-- replace: a new job takes the place of a dead letter, which it names; the letter is removed.
-- KEYS: jobs history crashes pending scheduled retrying active completed cancelled dead unique keys expiring seen meta events wake
-- ARGV: clock who letter burial id option record   option, record: as for enqueue
-- returns: '+' done (also by this call before), '=<id>' that job holds the unique key, '-' the letter is not there as it was seen
-- refuses: LAYOUT PARTITIONS
-- cost: 40 µs
-- flags:
-- uses: now int layout count arrive wake emit unlock drop options place lines
-- moves: Revive
local now_us = now()
local now_ms = math.floor(now_us / 1000)
if redis.call('HEXISTS', jobs, id) == 1 then return '+' end
local job = options(option, now_us)
layout(job.unique and 'adds' or 'here')
local score = redis.call('ZSCORE', dead, letter)
if not score or tonumber(score) ~= tonumber(burial) then return '-' end
local holder = job.unique and holder_of(job.unique, now_ms)
if holder and holder ~= letter then return '=' .. holder end

local arrival, lines = arrive(now_us, 1), {{}, {}, {}, {}, {}}
lines[job.due_ms and 5 or job.level + 1] = {job.due_ms and job.due_ms * 4 + job.level or arrival, id}
redis.call('HSET', jobs, id, int(arrival) .. record)
unlock(now_ms, {letter})
if job.plain == nil then mark(id, job, now_ms) end
place_new(lines)
drop(now_ms, {letter})
redis.call('ZREM', dead, letter)
local base = string.sub(meta, 1, -5)
redis.call('UNLINK', base .. 'log:' .. letter, base .. 'result:' .. letter)
for _, what in ipairs({'enqueued', 'removed', 'revived'}) do count(now_us, what, 1) end
emit('replaced', {letter, id}, who)
return '+'
