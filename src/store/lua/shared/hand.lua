-- hand(now_us, line, rule, scattered, reply): claims the jobs of `line` for ARGV's worker and tells what the worker must know
-- of each in `reply`: id, claim, record, history, crashes. `scattered`: they are not the heads of their lines.
-- Needs KEYS jobs history crashes pending active handed meta config events wake and ARGV worker call lease_ms.
-- Uses int count wake emit allow and orphaned, unline.
local function hand(now_us, line, rule, scattered, reply)
  if #line == 0 then return end
  local ids, claims, claimed = line.ids or {}, {}, {}
  if not line.ids then
    for i = 1, #line, 3 do ids[#ids + 1] = line[i] end
  end
  local records, keys = line.records or redis.call('HMGET', jobs, unpack(ids)), line.keys or {}
  local told = redis.call('EXISTS', history) == 1 and redis.call('HMGET', history, unpack(ids)) or {}
  local fallen = redis.call('EXISTS', crashes) == 1 and redis.call('HMGET', crashes, unpack(ids)) or {}
  local fence = math.max((tonumber(redis.call('HGET', meta, 'fence')) or 0) + 1, now_us)
  local holder, mark = '|' .. int(math.floor(now_us / 1000)) .. '|' .. worker .. '|', line.alone and '|alone' or '|'
  local tails = {[''] = holder .. mark}
  for n = 1, #ids do
    if records[n] then
      local key = keys[n] or ''
      local tail = tails[key]
      if not tail then
        tail = holder .. key .. mark
        tails[key] = tail
      end
      local claim = int(fence) .. '|' .. line[3 * n] .. ':' .. line[3 * n - 1] .. tail
      fence = fence + 1
      claims[#claims + 1], claims[#claims + 2] = ids[n], claim
      claimed[#claimed + 1] = ids[n]
      local at = #reply
      reply[at + 1], reply[at + 2], reply[at + 3] = ids[n], claim, records[n]
      reply[at + 4], reply[at + 5] = told[n] or '', fallen[n] or ''
    else
      orphaned(now_us, ids[n], line[3 * n])
      scattered, line.counts, keys[n] = true, nil, false
    end
  end
  if #claimed == 0 then return end
  redis.call('HSET', active, unpack(claims))
  redis.call('HSET', meta, 'fence', fence - 1)
  redis.call('HSET', handed, worker, lease_ms .. ' ' .. call .. ' ' .. table.concat(claimed, ' '))
  redis.call('HINCRBY', handed, worker .. '#', #claimed)
  if line.limits then charge(line) end
  if rule.tat then redis.call('HSET', meta, 'tat', int(rule.tat + #claimed * rule.rate_us)) end
  unline(line, not scattered)
  for level = 1, 4 do
    if redis.call('EXISTS', pending[level]) == 1 then wake_one() break end
  end
  if rule.events == 'all' then emit('started', claimed, worker) end
end
