-- Cancels a job that has not ended, and removes one that has. Returns how many jobs it woke.
expect({ id = is_text, tenant = is_text, ttlMs = is_count })
local id = args.id
if not of_tenant(id, args.tenant) then return reply({}) end
even_without_memory()
if is_active(id) then return reply({ outcome = 'cancelled', woken = cancel(id, args.ttlMs) }) end
remove(id)
return reply({ outcome = 'removed', woken = 0 })
