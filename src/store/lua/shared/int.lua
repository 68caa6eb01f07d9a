-- int(x): a whole number below 2^53 as digits; Lua's own conversion keeps only fourteen of them.
local function int(x)
  return string.format('%.0f', x)
end
