-- Ends a reservation, and counts what the request came to, if the period still runs.
expect({ client = is_text, token = is_text, period = is_count, job = is_flag, refusal = is_flag })
even_without_memory()
local key = P .. 'limit:' .. args.client
call('ZREM', key .. ':open', args.token)
if tonumber(call('HGET', key, 'period') or '') == args.period then
  if args.job then call('HINCRBY', key, 'jobs', 1) end
  if args.refusal then call('HINCRBY', key, 'refusals', 1) end
end
return reply({})
