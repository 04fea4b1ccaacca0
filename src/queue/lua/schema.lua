-- Returns the version of the schema of all data in Redis; ours when there was none.
expect({ key = is_text, version = is_count })
local found = call('GET', args.key)
if not found then call('SET', args.key, args.version) end
return reply({ version = tonumber(found) or args.version })
