-- Records a song that will come in parts, unless its client has too many of them, or too much, that no
-- job was made of: then `full` says which limit it is.
expect({
  id = is_text,
  tenant = is_text,
  client = is_text,
  name = is_text,
  sizeBytes = is_count,
  ttlMs = is_count,
  mostOpen = is_count,
  mostBytes = is_count,
})
local open_uploads = P .. 'resumable:open:' .. args.client
local open, bytes = 0, args.sizeBytes
local entries = call('ZRANGE', open_uploads, 0, -1, 'WITHSCORES')
for at = 1, #entries, 2 do
  if call('EXISTS', resumable_key(entries[at])) == 1 then
    open, bytes = open + 1, bytes + tonumber(entries[at + 1])
  else
    call('ZREM', open_uploads, entries[at])
  end
end
if open >= args.mostOpen then return reply({ full = 'open' }) end
if bytes > args.mostBytes then return reply({ full = 'bytes' }) end
call('HSET', resumable_key(args.id), 'tenant', args.tenant, 'client', args.client,
  'name', args.name, 'sizeBytes', args.sizeBytes)
call('ZADD', open_uploads, args.sizeBytes, args.id)
call('ZADD', P .. 'resumable', now() + args.ttlMs, args.id)
return reply({})
