-- Reserves a job of a client: what its request comes to is known only after the body. A refusal counts
-- when it has happened: the jobs bound how many requests are open. When a limit is reached, `full` names it and nothing is reserved. Reservations of processes that ended
-- without a word run out.
expect({
  client = is_text,
  token = is_text,
  leaseMs = is_count,
  jobs = is_count,
  refusals = is_count,
  periodMs = is_count,
})
local key = P .. 'limit:' .. args.client
local open = key .. ':open'
local at = now()
if call('PTTL', key) <= 0 then
  call('DEL', key)
  call('HSET', key, 'period', at, 'jobs', 0, 'refusals', 0)
  call('PEXPIRE', key, args.periodMs)
end
call('ZREMRANGEBYSCORE', open, '-inf', at)
local used = call('HMGET', key, 'period', 'jobs', 'refusals')
local reserved = call('ZCARD', open)
local jobs, refusals = (tonumber(used[2]) or 0) + reserved, tonumber(used[3]) or 0
local full
if jobs >= args.jobs then full = 'jobs' elseif refusals >= args.refusals then full = 'refusals' end
if not full then
  jobs = jobs + 1
  call('ZADD', open, at + args.leaseMs, args.token)
  call('PEXPIRE', open, args.leaseMs)
end
return reply({
  full = full,
  period = tonumber(used[1]) or 0,
  jobs = jobs,
  endsInMs = call('PTTL', key),
})
