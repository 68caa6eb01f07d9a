-- int(x): a whole number below 2^53 as digits; Lua's own conversion keeps only fourteen of them. Numbers that go into a
-- command many times a call pass through here too: Redis formats them as fractions, at four times the cost.
local function int(x)
  return string.format('%d', x)
end

-- Where many numbers follow one another only their last digit is written anew.
local digits = {[0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}
