-- Returns what waits in each lane, how many jobs run and the milliseconds of work left in them, and
-- the announcements of the live workers, and whether jobs are given out. With ids: how many jobs wait
-- before each that is in a lane.
expect({ ids = optional(is_texts) })
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
local workers = live_workers(now())
local models = { [ANY_MODEL] = true }
for _, text in ipairs(workers) do
  for _, model in ipairs(decoded(text).models or {}) do models[model.name] = true end
end

-- The clients with jobs in a lane: how many they have, and their turn.
local function clients_of(lane, model)
  local clients = {}
  local function add(name)
    local entries = call('ZRANGE', lane_key(lane, name), 0, -1, 'WITHSCORES')
    for at = 1, #entries, 2 do
      local client, turn = entries[at], tonumber(entries[at + 1])
      local known = clients[client] or { count = 0, turn = turn }
      known.count = known.count + call('ZCARD', queue_key(lane, name, client))
      known.turn = math.min(known.turn, turn)
      clients[client] = known
    end
  end
  for name in pairs(models) do add(name) end
  if not models[model] then add(model) end
  return clients
end

local lanes = {}
-- How many jobs of the lane come before one: those of its client, and as many of each other client.
local function before(id, place)
  local own = call('ZRANK', queue_key(place.lane, place.model, place.client), id)
  if not own then return nil end
  local key = lane_key(place.lane, place.model)
  lanes[key] = lanes[key] or clients_of(place.lane, place.model)
  local client_of_id = lanes[key][place.client]
  local turn, jobs = client_of_id and client_of_id.turn or 0, own
  for client, other in pairs(lanes[key]) do
    if client ~= place.client then
      jobs = jobs + math.min(other.count, other.turn < turn and own + 1 or own)
    end
  end
  return jobs
end

local places = {}
for _, id in ipairs(args.ids or {}) do
  local place = place_of(id)
  local jobs = place and before(id, place)
  if jobs then places[#places + 1] = { id = id, lane = place.lane, before = jobs } end
end
return reply({
  places = places,
  short = queued('short'),
  long = queued('long'),
  running = running,
  runningMs = running_ms,
  workers = workers,
  paused = is_paused(),
})
