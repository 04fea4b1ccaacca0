-- Ends an attempt that is stuck, as if its worker was lost. Returns how many jobs need a wake-up,
-- and whether this one has failed (1 or 0); nothing when the claim is void.
expect({ id = is_text, token = is_text, maxAttempts = is_count, maxLosses = is_count, ttlMs = is_count })
if why_void(args.id, args.token) then return reply({}) end
even_without_memory()
revoke(args.id, 'lost')
local woken, goes_on = lose(args.id, now(), args)
return reply({ woken = woken, exhausted = goes_on and 0 or 1 })
