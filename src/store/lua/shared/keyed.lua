-- decoded: how many bytes of records this call has decoded for their keys; a caller that reads many stops at decode_max.
local decoded, decode_max = 0, 262144

-- spelled(value): a text or a whole number of a payload as a key; nil where it is none. Rust spells it the same way.
local function spelled(value)
  if type(value) == 'number' then
    if value ~= math.floor(value) or math.abs(value) >= 9007199254740992 then return nil end
    value = value == 0 and '0' or string.format('%.0f', value)
  elseif type(value) ~= 'string' then
    return nil
  end
  local key = string.gsub(value, '[^A-Za-z0-9_.@:+-]', function(byte)
    return string.format('%%%02X', string.byte(byte))
  end)
  return #key > 0 and #key <= 128 and key or nil
end

-- key_reader(field): what tells the key of a job by its record: the producer's word for it before the JSON object, else what
-- stands at `field` (a dotted path) of the payload; nil where there is none. The one place that decodes a payload, to read.
-- Also the pattern of the producer's word, behind the sixteen digits of an arrival, for who looks at many.
local function key_reader(field)
  local head, path = '^@' .. string.gsub(field, '[.-]', '%%%0') .. '=([^{| ]+){', {}
  for step in string.gmatch(field, '[^.]+') do path[#path + 1] = step end
  return function(record)
    local key = string.match(record, head, 17)
    if key then return key end
    local at = string.find(record, '{', 1, true)
    if not at then return nil end
    decoded = decoded + #record
    local sound, object = pcall(cjson.decode, string.sub(record, at))
    local value = sound and object.payload or nil
    for _, step in ipairs(path) do value = type(value) == 'table' and value[step] or nil end
    return spelled(value)
  end, head
end
