-- orphaned(now_us, id, level): takes an id without a record out of the line, with a count and an event.
-- Needs KEYS pending meta events and those of drop and unlock; uses count emit unlock tally drop.
local function orphaned(now_us, id, level)
  unlock(math.floor(now_us / 1000), {id})
  tally(now_us, {id}, 'cancelled')
  drop(math.floor(now_us / 1000), {id})
  redis.call('ZREM', pending[level + 1], id)
  count(now_us, 'orphaned', 1)
  emit('orphaned', {id}, '')
end

-- unline(line, whole): takes claimed jobs out of their lines; `whole` where they are the heads of the lines.
-- Needs KEYS pending.
local function unline(line, whole)
  local by_level = {{}, {}, {}, {}}
  for i = 1, #line, 3 do
    local level = by_level[line[i + 2] + 1]
    level[#level + 1] = line[i]
  end
  for level = 1, 4 do
    local ids = by_level[level]
    if #ids > 0 and whole then redis.call('ZREMRANGEBYRANK', pending[level], 0, #ids - 1) end
    if #ids > 0 and not whole then redis.call('ZREM', pending[level], unpack(ids)) end
  end
end
