-- move_done: forgets things of a page that have arrived, and the page once all have.
-- KEYS: meta leaving
-- ARGV: clock page next names...   next: '' where all have arrived; else the number under which the rest is sent again;
--       names: of the things that have
-- returns: 1 where it was the page on its way
-- refuses: LAYOUT
-- cost: 1 µs a thing
-- flags: allow-oom
-- uses: layout
layout()
if redis.call('EXISTS', leaving) == 0 or redis.call('HGET', meta, 'page') ~= page then return 0 end
local base = string.sub(meta, 1, -5)
for at = names_at, #ARGV do
  local id = string.match(ARGV[at], '^j(.*)$')
  if id then redis.call('UNLINK', base .. 'log:' .. id, base .. 'result:' .. id) end
  if next ~= '' then redis.call('HDEL', leaving, ARGV[at]) end
end
if next == '' then redis.call('UNLINK', leaving) else redis.call('HSET', meta, 'page', next) end
return 1
