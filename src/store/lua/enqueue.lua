-- enqueue: puts new jobs into line, or among the scheduled ones; the same call again gets the same answer.
-- KEYS: jobs pending scheduled retrying active unique keys expiring seen config meta events wake
-- ARGV: clock producer call usual former n jobs...   usual: durable where nothing is set; former: as for layout; jobs: n ids,
--       n records, then number (from 0) and options of each that has some; options: level|due|ttl_ms|chosen|unless_queued|window_ms|batch|unique;
--       due: '' or +ms or @ms
-- returns: a word a job: '+' added, '=' the id is taken, '=<id>' that job holds the unique key or its place, '#' its batch
--          takes none, '!' full; '+' alone: all added; before them what durable_mark and key_mark say
-- refuses: LAYOUT PARTITIONS
-- cost: 3 µs a job in batches; 300 jobs a call
-- flags:
-- uses: now int layout count arrive wake emit options place durable batch sift
-- moves: Enqueue Schedule
local now_us = now()
local call_key = string.sub(meta, 1, -5) .. 'call:' .. producer
local last = redis.call('GET', call_key)
if last and string.match(last, '^%d+') == call then return string.match(last, '^%d+ (.*)$') end
layout(former)
n = tonumber(n)
local ids, set = {unpack(ARGV, jobs_at, jobs_at + n - 1)}, {}
for at = jobs_at + 2 * n, #ARGV, 2 do set[ARGV[at] + 1] = ARGV[at + 1] end
local known = redis.call('HMGET', jobs, unpack(ids))
local before = redis.call('EXISTS', seen) == 1 and redis.call('ZMSCORE', seen, unpack(ids)) or {}
local rules = redis.call('HMGET', config, 'max_length', 'events', 'durable', 'key')
local room, durable = room_left(rules[1]), durable_mark(rules[3], usual, last, call)
local arrival = arrive(now_us, n)
local added, lines, answer = ids, next(set) == nil and room >= n and all_new(ids, known, before, arrival), nil
if not lines then added, lines, answer = sift(ids, set, known, before, room, arrival, now_us) end
local text = durable .. key_mark(rules[4]) .. (#added == n and '+' or table.concat(answer, ' '))
redis.call('SET', call_key, call .. ' ' .. text, 'EX', 600)
if #added == 0 then return text end
if durable ~= '' then remember(added) end
place_new(lines)
join_all()
count(now_us, 'enqueued', #added)
if rules[2] == 'all' then emit('enqueued', added, producer) end
return text
