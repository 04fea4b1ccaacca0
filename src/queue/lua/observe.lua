-- Returns the queue in figures: for each lane how many wait and for how long the first has.
expect({})
local at = now()
local models = call('SMEMBERS', P .. 'queued:models')
local function lane(name)
  local oldest = at
  for _, model in ipairs(models) do
    local first = call('ZRANGE', lane_key(name, model), 0, 0)[1]
    local queued_at = first and read(first, 'queuedAt').queuedAt
    if queued_at then oldest = math.min(oldest, tonumber(queued_at)) end
  end
  local count = tonumber(call('HGET', P .. 'queued', name .. ':count') or '0')
  return { count = count, oldestMs = at - oldest }
end
return reply({
  short = lane('short'),
  long = lane('long'),
  workers = #live_workers(at),
  downloads = call('ZCARD', P .. 'downloads'),
})
