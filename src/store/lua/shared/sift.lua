-- all_new(ids, known, before, arrival): stores the records of plain jobs that nobody knows, and returns what comes
-- into each line; nothing where one is known, or two have one id. Needs KEYS jobs, ARGV n and jobs.
local function all_new(ids, known, before, arrival)
  for i = 1, n do
    if known[i] or before[i] then return nil end
  end
  local records, line, head, last = {}, {}, int((arrival - arrival % 10) / 10), arrival % 10
  for i = 1, n do
    local arrived = head .. digits[last]
    records[2 * i - 1], records[2 * i] = ids[i], arrived .. ARGV[jobs_at + n + i - 1]
    line[2 * i - 1], line[2 * i] = arrived, ids[i]
    last = last + 1
    if last == 10 then head, last = int((arrival + i) / 10), 0 end
  end
  return redis.call('HSET', jobs, unpack(records)) == n and {{}, {}, line, {}, {}} or nil
end

-- sift(ids, set, known, before, room, arrival, now_us): which of the jobs of a call are added: their ids, what comes into each
-- line, and the answer to each job; `set`: options by number. Stores their records, keys, expiries and batches.
-- Needs KEYS jobs and what it uses: options batch int, and ARGV n and jobs.
local function sift(ids, set, known, before, room, arrival, now_us)
  local now_ms = math.floor(now_us / 1000)
  -- taken, held: ids and unique keys of this call, which no line holds yet.
  local records, lines, taken, held, answer, added = {}, {{}, {}, {}, {}, {}}, {}, {}, {}, {}
  for i = 1, n do
    local id, job = ids[i], options(set[i] or '', now_us)
    local new = not known[i] and not before[i] and not taken[id]
    local holder = new and not job.plain and (held[job.unique] or barred_by(job, added[1], now_ms))
    if not new then
      answer[i] = '='
    elseif holder then
      answer[i] = '=' .. holder
    elseif job.batch and not is_open(job.batch) then
      answer[i] = '#'
    elseif #added >= room then
      answer[i] = '!'
    else
      answer[i], taken[id], added[#added + 1] = '+', true, id
      local arrived = int(arrival + i - 1)
      records[#records + 1], records[#records + 2] = id, arrived .. ARGV[jobs_at + n + i - 1]
      local into = lines[job.due_ms and 5 or job.level + 1]
      into[#into + 1], into[#into + 2] = job.due_ms and int(job.due_ms * 4 + job.level) or arrived, id
      if job.plain == nil then mark(id, job, now_ms) end
      if job.unique then held[job.unique] = id end
      if job.batch then join(id, job.batch) end
    end
  end
  if #added > 0 then redis.call('HSET', jobs, unpack(records)) end
  return added, lines, answer
end
