-- emit(event, ids, who): one entry of the event stream for all of `ids`. Needs KEYS events.
local function emit(event, ids, who)
  if #ids == 0 then return end
  redis.call('XADD', events, 'MAXLEN', '~', 10000, '*', 'event', event, 'ids', table.concat(ids, ' '), 'by', who)
end
