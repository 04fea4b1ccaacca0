-- A job was made of a song that came in parts: it counts no more for its client, and goes soon.
expect({ id = is_text, keptMs = is_count })
even_without_memory()
local client = call('HGET', resumable_key(args.id), 'client')
if client then call('ZREM', P .. 'resumable:open:' .. client, args.id) end
local expires = tonumber(call('ZSCORE', P .. 'resumable', args.id) or '')
if expires then
  call('ZADD', P .. 'resumable', math.min(expires, now() + args.keptMs), args.id)
end
return reply({})
