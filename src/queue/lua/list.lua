-- Returns the newest `limit` records of a tenant, of those with a reference if one is given, and the
-- number below which the next ones are. Status `all` takes every job.
expect({
  tenant = is_text,
  clientReference = optional(is_text),
  status = is_text,
  below = optional(is_count),
  limit = is_count,
})
local key = list_key(args.status, args.tenant, args.clientReference)
local highest = args.below and '(' .. args.below or '+inf'
local ids
repeat
  local found = call('ZREVRANGEBYSCORE', key, highest, '-inf', 'LIMIT', 0, args.limit + 1)
  ids = with_record(key, found)
until #ids == #found

local records, next_below = {}, nil
for at = 1, math.min(#ids, args.limit) do records[at] = record(ids[at]) end
if #ids > args.limit and args.limit > 0 then next_below = tonumber(records[args.limit].number) end
return reply({ records = records, nextBelow = next_below })
