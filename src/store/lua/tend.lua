-- tend: forgets the pace of keys that may start as many jobs as ever, a page a call; with the first page the foremost parked
-- jobs are looked up in the index of their key, and that key in `unpark`, and put there where a hand has taken them out.
-- KEYS: jobs pending config meta events
-- ARGV: clock cursor
-- returns: the cursor of the next page ('0': that was the last), how many it put right
-- cost: 1 µs a key and 3 µs a job; 100 to 500 keys and 100 jobs a call
-- flags: allow-oom
-- uses: now int emit keyed parked
local now_us = now()
local unpark, paced = string.sub(meta, 1, -5) .. 'unpark', string.sub(meta, 1, -5) .. 'paced'
local field, mended = redis.call('HGET', config, 'parking'), {}
local foremost = field and cursor == '0' and redis.call('ZRANGE', parked, 0, 99, 'WITHSCORES') or {}
local key_of = #foremost > 0 and key_reader(field)
for at = 1, #foremost, 2 do
  local record = redis.call('HGET', jobs, foremost[at])
  local key = record and decoded < decode_max and key_of(record)
  if key then
    size_of(key)
    local added = redis.call('ZADD', index_of(key), 'NX', foremost[at + 1], foremost[at])
    if added + redis.call('ZADD', unpark, 'NX', int(math.floor(now_us / 1000)), key) > 0 then
      mended[#mended + 1] = foremost[at]
    end
  end
end
local page = redis.call('HSCAN', paced, cursor, 'COUNT', 100)
for at = 1, #page[2], 2 do
  local tat = tonumber(page[2][at + 1])
  if not tat or tat <= now_us then redis.call('HDEL', paced, page[2][at]) end
end
emit('reindexed', mended, 'janitor')
return {page[1], #mended}
