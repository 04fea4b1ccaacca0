-- Counts a try of a client if it failed. Returns for how long the client is blocked, if it had reached
-- its limit of failures before: also of tries at the same time, no more fail than that.
expect({ client = is_text, failed = is_flag, failures = is_count, periodMs = is_count })
local key = P .. 'failures:' .. args.client
if tonumber(call('GET', key) or '0') >= args.failures then
  return reply({ blockedMs = math.max(0, call('PTTL', key)) })
end
if args.failed and call('INCR', key) == 1 then call('PEXPIRE', key, args.periodMs) end
return reply({})
