-- Prolongs the lease of a claim. Returns why the claim is void.
expect({ id = is_text, token = is_text, leaseMs = is_count })
local why = why_void(args.id, args.token)
if why then return reply({ revoked = why }) end
even_without_memory()
call('ZADD', leases_of(args.id), now() + args.leaseMs, args.id)
return reply({})
