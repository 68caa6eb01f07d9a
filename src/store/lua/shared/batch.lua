-- joining: the batches that jobs of this call name: whether they take jobs, and the ids to add with the name of each.
local joining = {}

-- is_open(name): whether a batch takes jobs. Needs KEYS meta.
local function is_open(name)
  if not joining[name] then
    local set = redis.call('HMGET', string.sub(meta, 1, -5) .. 'batch:' .. name, 'created_ms', 'sealed')
    joining[name] = {open = set[1] and not set[2], added = {}}
  end
  return joining[name].open
end

-- join(id, name): notes a new job for its batch, which is_open has found open.
local function join(id, name)
  local added = joining[name].added
  added[#added + 1], added[#added + 2] = id, name
end

-- join_all(): adds what was noted, one count for each batch. Needs KEYS meta.
local function join_all()
  local base = string.sub(meta, 1, -5)
  for name, batch in pairs(joining) do
    if #batch.added > 0 then
      redis.call('HSET', base .. 'batched', unpack(batch.added))
      redis.call('HINCRBY', base .. 'batch:' .. name, 'total', #batch.added / 2)
    end
  end
end
