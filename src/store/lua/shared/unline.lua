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

-- sound(now_us, line): `line` with its records, and without the ids that have none; whether all have one.
-- Needs KEYS jobs.
local function sound(now_us, line)
  local records = line.records or redis.call('HMGET', jobs, unpack(line.ids))
  line.records = records
  local there, found = {}, 0
  for n = 1, #records do
    if records[n] then
      found = found + 1
      there[found] = n
    else
      orphaned(now_us, line.ids[n], line.levels[n])
    end
  end
  if found == #records then return line, true end
  local left = pick(line, there)
  left.alone = line.alone
  return left, false
end

-- unline(line, whole): takes claimed jobs out of their lines; `whole` where they are the heads of the lines.
-- Needs KEYS pending.
local function unline(line, whole)
  local ids, levels, counts = line.ids, line.levels, {[0] = 0, 0, 0, 0}
  if whole then
    for n = 1, #ids do counts[levels[n]] = counts[levels[n]] + 1 end
    for level = 0, 3 do
      if counts[level] > 0 then redis.call('ZREMRANGEBYRANK', pending[level + 1], 0, counts[level] - 1) end
    end
    return
  end
  local by_level = {[0] = {}, {}, {}, {}}
  for n = 1, #ids do table.insert(by_level[levels[n]], ids[n]) end
  for level = 0, 3 do
    if #by_level[level] > 0 then redis.call('ZREM', pending[level + 1], unpack(by_level[level])) end
  end
end
