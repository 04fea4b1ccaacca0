-- Returns the records of all jobs that are worked on; `worker` in them is who does.
expect({})
local records = {}
for _, leases in ipairs({ P .. 'leases', P .. 'leases:downloads' }) do
  for _, id in ipairs(with_record(leases, call('ZRANGE', leases, 0, -1))) do
    records[#records + 1] = record(id)
  end
end
return reply({ records = records })
