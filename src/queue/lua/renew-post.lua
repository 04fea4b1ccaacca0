-- Keeps a reservation while its request goes on.
expect({ client = is_text, token = is_text, leaseMs = is_count })
local key = P .. 'limit:' .. args.client .. ':open'
call('ZADD', key, now() + args.leaseMs, args.token)
call('PEXPIRE', key, args.leaseMs)
return reply({})
