-- hand(now_us, line, rule, scattered, reply): claims the jobs of `line` for ARGV's worker and tells what the worker must know
-- of them in `reply`: id and claim of each, then records, histories and crashes. `scattered`: they are not the heads of their
-- lines. Needs KEYS jobs history crashes pending active handed meta config events wake and ARGV worker call lease_ms.
-- Uses int count wake emit allow and sound, unline.
local function hand(now_us, line, rule, scattered, reply)
  local line, whole = sound(now_us, line)
  scattered = scattered or not whole
  local ids, arrivals, levels, keys = line.ids, line.arrivals, line.levels, line.keys or {}
  if #ids == 0 then return end
  local told = redis.call('EXISTS', history) == 1 and redis.call('HMGET', history, unpack(ids)) or {}
  local fallen = redis.call('EXISTS', crashes) == 1 and redis.call('HMGET', crashes, unpack(ids)) or {}
  local fence = math.max((tonumber(redis.call('HGET', meta, 'fence')) or 0) + 1, now_us)
  local holder, mark = '|' .. int(math.floor(now_us / 1000)) .. '|' .. worker .. '|', line.alone and '|alone' or '|'
  local tails, plain, claims = {}, holder .. mark, {}
  -- To format each fence whole would cost more than all else here.
  local head, last, ranks = int((fence - fence % 10) / 10), fence % 10, {[0] = '|0:', '|1:', '|2:', '|3:'}
  for n = 1, #ids do
    local key, tail = keys[n], plain
    if key then
      tail = tails[key] or holder .. key .. mark
      tails[key] = tail
    end
    claims[2 * n - 1], claims[2 * n] = ids[n], head .. digits[last] .. ranks[levels[n]] .. arrivals[n] .. tail
    last = last + 1
    if last == 10 then head, last = int((fence + n) / 10), 0 end
  end
  redis.call('HSET', active, unpack(claims))
  redis.call('HSET', meta, 'fence', int(fence + #ids - 1))
  redis.call('HSET', handed, worker, lease_ms .. ' ' .. call, worker .. '@', table.concat(ids, ' '))
  redis.call('HINCRBY', handed, worker .. '#', #ids)
  if line.limits then charge(line) end
  if rule.tat then redis.call('HSET', meta, 'tat', int(rule.tat + #ids * rule.rate_us)) end
  unline(line, not scattered)
  for level = 1, 4 do
    if redis.call('EXISTS', pending[level]) == 1 then wake_one() break end
  end
  if rule.events == 'all' then emit('started', ids, worker) end
  reply[4], reply[5], reply[6], reply[7] = claims, line.records, told, fallen
end
