-- Reserves one job and one refusal of a client: what its request comes to is known only after the body.
-- When a limit is reached, `full` names it and nothing is reserved.
expect({ client = is_text, jobs = is_count, refusals = is_count, periodMs = is_count })
local key = P .. 'limit:' .. args.client
if call('PTTL', key) <= 0 then
  call('DEL', key)
  call('HSET', key, 'period', now(), 'jobs', 0, 'refusals', 0)
  call('PEXPIRE', key, args.periodMs)
end
local used = call('HMGET', key, 'period', 'jobs', 'refusals')
local jobs, refusals = tonumber(used[2]) or 0, tonumber(used[3]) or 0
local full
if jobs >= args.jobs then full = 'jobs' elseif refusals >= args.refusals then full = 'refusals' end
if not full then
  jobs = call('HINCRBY', key, 'jobs', 1)
  refusals = call('HINCRBY', key, 'refusals', 1)
end
return reply({
  full = full,
  period = tonumber(used[1]) or 0,
  jobs = jobs,
  endsInMs = call('PTTL', key),
})
