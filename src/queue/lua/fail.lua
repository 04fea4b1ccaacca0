-- Ends a job with an error, which is JSON. Returns how many jobs it woke; nothing when the claim is void.
expect({ id = is_text, token = is_text, ttlMs = is_count, error = is_text })
if why_void(args.id, args.token) then return reply({}) end
even_without_memory()
call('HSET', job_key(args.id), 'error', args.error)
return reply({ woken = finish(args.id, 'failed', now(), args.ttlMs) })
