-- Cancels a job of any tenant. Returns how many jobs it woke; `refused` when it has ended before, nothing
-- when there is no such job.
expect({ id = is_text, ttlMs = is_count })
local id = args.id
if not has_record(id) then return reply({}) end
if not is_active(id) then return reply({ outcome = 'refused' }) end
even_without_memory()
return reply({ outcome = 'done', woken = cancel(id, args.ttlMs) })
