-- standing(id): as where(id); of a job on its way to another partition as it stood when it left, and the copy that is kept of
-- it meanwhile. Needs KEYS leaving; uses lines.
local function standing(id)
  local word, mark = where(id)
  local packed = word == '' and redis.call('HGET', leaving, 'j' .. id)
  if not packed then return word, mark end
  local copy = cmsgpack.unpack(packed)
  for n = 1, #copy do
    if copy[n] == '' then copy[n] = false end
  end
  return copy[2], copy[3], copy
end
