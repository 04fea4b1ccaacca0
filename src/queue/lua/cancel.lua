-- Cancels a job of any tenant. Returns how many jobs it woke; `ended` when it has ended before, nothing
-- when there is no such job.
expect({ id = is_text, ttlMs = is_count })
local id = args.id
if not has_record(id) then return reply({}) end
if not is_active(id) then return reply({ outcome = 'ended' }) end
even_without_memory()
return reply({ outcome = 'cancelled', woken = cancel(id, args.ttlMs) })
