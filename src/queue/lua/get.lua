-- Returns the record, if the tenant has such a job.
expect({ id = is_text, tenant = is_text })
if not of_tenant(args.id, args.tenant) then return reply({}) end
return reply({ record = record(args.id) })
