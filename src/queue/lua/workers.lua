-- Returns the announcements of the live workers, and all that are remembered, the newest first.
expect({})
local known = {}
local entries = call('ZREVRANGE', P .. 'workers:known', 0, -1, 'WITHSCORES')
for at = 1, #entries, 2 do
  local announcement = call('HGET', P .. 'workers', entries[at])
  if announcement then
    known[#known + 1] = { heardAt = tonumber(entries[at + 1]), announcement = announcement }
  end
end
return reply({ live = live_workers(now()), known = known })
