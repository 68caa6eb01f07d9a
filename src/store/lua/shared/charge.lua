-- charge(line): counts the claimed jobs of `line` for their keys. One value is longer than it need be, so that Redis keeps
-- the numbers as a hash table: as a listpack every key of a call would be looked for among all. Needs KEYS meta; uses int.
local function charge(line)
  local base, runs, tats, counts = string.sub(meta, 1, -5), {}, {}, line.counts
  if not counts then
    counts = {}
    for _, key in ipairs(line.keys) do
      if key then counts[key] = (counts[key] or 0) + 1 end
    end
  end
  for key, count in pairs(counts) do
    local limit = line.limits[key]
    runs[#runs + 1], runs[#runs + 2] = key, int(limit.runs + count)
    if limit.rate_us then tats[#tats + 1], tats[#tats + 2] = key, int(limit.tat + count * limit.rate_us) end
  end
  if #runs > 0 then runs[2] = string.format('%-65d', runs[2]) end
  if #tats > 0 then tats[2] = string.format('%-65d', tats[2]) end
  if #runs > 0 then redis.call('HSET', base .. 'running', unpack(runs)) end
  if #tats > 0 then redis.call('HSET', base .. 'paced', unpack(tats)) end
end
