-- Puts a job back into its lane; nothing is left of the attempt. Returns how many jobs need a wake-up;
-- nothing when the claim is void.
expect({
  id = is_text,
  token = is_text,
  -- Why the attempt could not go on, as JSON, if other jobs cannot go on either.
  outage = optional(is_text),
  -- For how long the job stays away from its lane after an outage.
  delayMs = is_count,
})
local id = args.id
if why_void(id, args.token) then return reply({}) end
even_without_memory()
call('HINCRBY', job_key(id), attempts_field(id), -1)
if args.outage then return reply({ woken = delay(id, now(), args.delayMs, args.outage) }) end
return reply({ woken = requeue(id, now()) })
