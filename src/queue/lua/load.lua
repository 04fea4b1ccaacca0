-- Returns what waits in each lane, how many jobs run and the milliseconds of work left in them, and
-- the announcements of the live workers.
expect({})
local function queued(lane)
  local ms = tonumber(call('HGET', P .. 'queued', lane) or '0')
  return { count = call('ZCARD', P .. 'waiting:' .. lane), ms = math.max(0, ms) }
end
local running, running_ms = 0, 0
for _, id in ipairs(call('ZRANGE', P .. 'leases', 0, -1)) do
  if has_record(id) then
    local job = read(id, 'costMs', 'progress')
    running = running + 1
    running_ms = running_ms + tonumber(job.costMs) * (1 - tonumber(job.progress) / 100)
  end
end
return reply({
  short = queued('short'),
  long = queued('long'),
  running = running,
  runningMs = running_ms,
  workers = live_workers(now()),
})
