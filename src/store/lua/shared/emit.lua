-- emit(event, ids, who): one entry of the event stream for all of `ids`. Needs KEYS events.
-- Jobs that are only counted stand there as '+' and their number, which no id can be.
-- Entries with many ids leave room for fewer of them, so that the stream stays below some 30 MB whatever happens.
local function emit(event, ids, who)
  if #ids == 0 then return end
  local most = #ids > 50 and 1000 or 10000
  redis.call('XADD', events, 'MAXLEN', '~', most, '*', 'event', event, 'ids', table.concat(ids, ' '), 'by', who)
end
