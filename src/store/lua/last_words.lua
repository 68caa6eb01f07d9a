-- last_words: what is known of jobs whose worker fell silent: what happened to them before, and the end of what they said.
-- KEYS: history crashes meta
-- ARGV: clock bytes jobs...   jobs: id
-- returns: history, crashes and so many last bytes of the log of each; null for what is not there
-- cost: 2 µs a job; 100 jobs a call
-- flags: no-writes
-- uses:
local base, reply = string.sub(meta, 1, -5) .. 'log:', {}
for at = jobs_at, #ARGV do
  local id, n = ARGV[at], #reply
  -- A log that a hand made another type of is no reason to leave the job where it is.
  local said = redis.pcall('GETRANGE', base .. id, -bytes, -1)
  reply[n + 1], reply[n + 2] = redis.call('HGET', history, id), redis.call('HGET', crashes, id)
  reply[n + 3] = type(said) == 'string' and said ~= '' and said
end
return reply
