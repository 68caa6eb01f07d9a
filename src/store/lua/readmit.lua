-- readmit: puts jobs that no set holds back into line, by the arrival in their record.
-- KEYS: jobs pending scheduled retrying active completed cancelled dead meta events wake
-- ARGV: clock levels...   levels: id, level
-- returns: how many it put back
-- refuses: LAYOUT
-- cost: 8 µs a job; 100 jobs a call
-- flags: allow-oom
-- uses: now int layout count wake emit lines
local now_us = now()
layout()
local back = {}
for at = levels_at, #ARGV, 2 do
  local id = ARGV[at]
  local record = redis.call('HGET', jobs, id)
  if record and where(id) == '' then
    local arrival = tonumber(string.match(record, '^(%d+)[{@]')) or now_us
    redis.call('ZADD', pending[ARGV[at + 1] + 1], math.min(arrival, now_us), id)
    back[#back + 1] = id
  end
end
count(now_us, 'reconciled', #back)
emit('reconciled', back, 'janitor')
if #back > 0 then wake_one() end
return #back
