-- Takes or renews the lock of a song that comes in parts. Returns whether it is held now. Whoever holds
-- it is told that another wants it.
expect({ id = is_text, token = is_text, leaseMs = is_count, renews = is_flag })
local key = resumable_key(args.id) .. ':lock'
local holder = call('GET', key)
if holder and holder ~= args.token then
  if not args.renews then call('PUBLISH', P .. 'wanted', holder) end
  return reply({ held = false })
end
call('SET', key, args.token, 'PX', args.leaseMs)
return reply({ held = true })
