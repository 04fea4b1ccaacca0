-- Returns the ids of stored objects that no record needs.
expect({ kind = one_of('uploads', 'resumable', 'checkpoints', 'results'), ids = is_texts })
local orphans = {}
for _, id in ipairs(args.ids) do
  local needed
  if args.kind == 'results' then
    needed = call('EXISTS', P .. 'result:' .. id) == 1
    for _, job in ipairs(call('SMEMBERS', P .. 'result:' .. id .. ':jobs')) do
      needed = needed or has_record(job)
    end
  elseif args.kind == 'resumable' then
    needed = call('EXISTS', resumable_key(id)) == 1
  else
    local status = read(id, 'status').status
    needed = status == 'pending' or status == 'processing' or args.kind == 'uploads' and status == 'failed'
  end
  if not needed then orphans[#orphans + 1] = id end
end
return reply({ ids = orphans })
