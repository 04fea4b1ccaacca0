-- Cancels a job that has not ended, and removes one that has. Returns how many jobs it woke.
expect({ id = is_text, tenant = is_text, ttlMs = is_count })
local id = args.id
if not of_tenant(id, args.tenant) then return reply({}) end
even_without_memory()
local status = read(id, 'status').status
if status == 'pending' or status == 'processing' then
  revoke(id, 'cancelled')
  local woken = finish(id, 'cancelled', now(), args.ttlMs)
  return reply({ outcome = 'cancelled', woken = woken })
end
remove(id)
return reply({ outcome = 'removed', woken = 0 })
