-- promote_due(now_us, limit): moves what is due from scheduled and retrying into line, at most `limit` of each.
-- Returns how many. Needs KEYS scheduled retrying pending meta; uses arrive int.
local function promote_due(now_us, limit)
  local due_until, moved = math.floor(now_us / 1000) * 4 + 3, 0
  for _, line in ipairs({scheduled, retrying}) do
    local due = redis.call('ZRANGE', line, '-inf', due_until, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
    if #due > 0 then
      local arrival, ids, lines = arrive(now_us, #due / 2), {}, {{}, {}, {}, {}}
      for i = 1, #due, 2 do
        local into = lines[due[i + 1] % 4 + 1]
        into[#into + 1] = int(arrival + (i - 1) / 2)
        into[#into + 1] = due[i]
        ids[#ids + 1] = due[i]
      end
      for level = 1, 4 do
        if #lines[level] > 0 then redis.call('ZADD', pending[level], unpack(lines[level])) end
      end
      redis.call('ZREM', line, unpack(ids))
      moved = moved + #ids
    end
  end
  return moved
end
