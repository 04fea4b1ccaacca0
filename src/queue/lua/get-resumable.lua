-- Returns a song that comes in parts; nothing when it is another tenant's, or its time is over.
expect({ id = is_text, tenant = is_text })
local values = call('HMGET', resumable_key(args.id), 'tenant', 'name', 'sizeBytes')
local expires = tonumber(call('ZSCORE', P .. 'resumable', args.id) or '')
if values[1] ~= args.tenant or not expires or expires <= now() then return reply({}) end
return reply({ name = values[2], sizeBytes = tonumber(values[3]) })
