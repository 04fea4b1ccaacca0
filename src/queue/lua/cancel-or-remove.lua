-- Cancels a job that has not ended, and removes one that has. Returns how many jobs it woke, and what
-- the storage has to remove.
expect({ id = is_text, tenant = is_text, ttlMs = is_count })
local id = args.id
if not of_tenant(id, args.tenant) then return reply({}) end
even_without_memory()
local trash = {}
local status = read(id, 'status').status
if status == 'pending' or status == 'processing' then
  revoke(id, 'cancelled')
  local woken = finish(id, 'cancelled', now(), args.ttlMs, trash)
  return reply({ outcome = 'cancelled', woken = woken, trash = trash })
end
remove(id, trash)
return reply({ outcome = 'removed', woken = 0, trash = trash })
