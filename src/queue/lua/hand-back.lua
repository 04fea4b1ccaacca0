-- Puts a job back into its lane, without counting the attempt. Returns how many jobs need a wake-up;
-- nothing when the claim is void.
expect({ id = is_text, token = is_text })
if why_void(args.id, args.token) then return reply({}) end
even_without_memory()
call('HINCRBY', job_key(args.id), attempts_field(args.id), -1)
return reply({ woken = requeue(args.id, now()) })
