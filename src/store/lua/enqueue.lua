-- enqueue: puts new jobs into line, or among the scheduled ones; the same call again gets the same answer.
-- KEYS: jobs pending scheduled retrying active unique keys expiring seen config meta events wake
-- ARGV: clock producer call usual former jobs...   usual: durable where nothing is set; former: as for layout; jobs: id,
--       options, record; options: '' or level|due|ttl_ms|chosen|unless_queued|window_ms|batch|unique; due: '' or +ms or @ms
-- returns: a word a job: '+' added, '=' the id is taken, '=<id>' that job holds the unique key or its place, '#' its batch
--          takes none, '!' full; '+' alone: all added; before them what durable_mark and key_mark say
-- refuses: LAYOUT PARTITIONS
-- cost: 3 µs a job in batches; 300 jobs a call
-- flags:
-- uses: now int layout count arrive wake emit options place durable batch
-- moves: Enqueue Schedule
local now_us = now()
local now_ms = math.floor(now_us / 1000)
local call_key = string.sub(meta, 1, -5) .. 'call:' .. producer
local last = redis.call('GET', call_key)
if last and string.match(last, '^%d+') == call then return string.match(last, '^%d+ (.*)$') end
layout(former)
local ids = {}
for at = jobs_at, #ARGV, 3 do ids[#ids + 1] = ARGV[at] end
local known = redis.call('HMGET', jobs, unpack(ids))
local before = redis.call('EXISTS', seen) == 1 and redis.call('ZMSCORE', seen, unpack(ids)) or {}
local rules = redis.call('HMGET', config, 'max_length', 'events', 'durable', 'key')
local room, durable = room_left(rules[1]), durable_mark(rules[3], usual, last, call)
local arrival = arrive(now_us, #ids)
-- taken, held: ids and unique keys of this call, which no line holds yet.
local records, lines, taken, held, answer, added = {}, {{}, {}, {}, {}, {}}, {}, {}, {}, {}
for n = 1, #ids do
  local id, at = ids[n], jobs_at + (n - 1) * 3
  local job = options(ARGV[at + 1], now_us)
  local new = not known[n] and not before[n] and not taken[id]
  local holder = new and not job.plain and (held[job.unique] or barred_by(job, added[1], now_ms))
  if not new then
    answer[n] = '='
  elseif holder then
    answer[n] = '=' .. holder
  elseif job.batch and not is_open(job.batch) then
    answer[n] = '#'
  elseif #added >= room then
    answer[n] = '!'
  else
    answer[n], taken[id], added[#added + 1] = '+', true, id
    local arrived = int(arrival + n - 1)
    records[#records + 1], records[#records + 2] = id, arrived .. ARGV[at + 2]
    local into = lines[job.due_ms and 5 or job.level + 1]
    into[#into + 1], into[#into + 2] = job.due_ms and int(job.due_ms * 4 + job.level) or arrived, id
    if job.plain == nil then mark(id, job, now_ms) end
    if job.unique then held[job.unique] = id end
    if job.batch then join(id, job.batch) end
  end
end
local text = durable .. key_mark(rules[4]) .. (#added == #ids and '+' or table.concat(answer, ' '))
redis.call('SET', call_key, call .. ' ' .. text, 'EX', 600)
if #added == 0 then return text end
if durable ~= '' then remember(added) end
redis.call('HSET', jobs, unpack(records))
place_new(lines)
join_all()
count(now_us, 'enqueued', #added)
if rules[2] == 'all' then emit('enqueued', added, producer) end
return text
