-- move_done: forgets a page that has arrived.
-- KEYS: meta leaving
-- ARGV: clock page ids...   ids: of the jobs in it
-- returns: 1 where it was the page on its way
-- refuses: LAYOUT
-- cost: 1 µs a job
-- flags: allow-oom
-- uses: layout
layout()
if redis.call('EXISTS', leaving) == 0 or redis.call('HGET', meta, 'page') ~= page then return 0 end
local base = string.sub(meta, 1, -5)
for at = ids_at, #ARGV do redis.call('UNLINK', base .. 'log:' .. ARGV[at], base .. 'result:' .. ARGV[at]) end
redis.call('UNLINK', leaving)
return 1
