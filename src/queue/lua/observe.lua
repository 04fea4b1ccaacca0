-- Returns the queue in figures: for each lane how many wait and for how long the first has, and whether
-- jobs are given out.
expect({})
local at = now()
local function lane(name)
  local waiting = P .. 'waiting:' .. name
  local first = first_of(waiting)
  local queued_at = first and tonumber(read(first, 'queuedAt').queuedAt) or at
  return { count = call('ZCARD', waiting), oldestMs = math.max(0, at - queued_at) }
end
return reply({
  short = lane('short'),
  long = lane('long'),
  workers = #live_workers(at),
  downloads = lane('downloads'),
  paused = is_paused(),
})
