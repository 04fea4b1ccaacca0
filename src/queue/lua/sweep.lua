-- Repairs what was lost: jobs whose lease ended or that are in no lane, records whose time is over, jobs
-- that no worker takes. Returns how many of each, and what the dispatchers have to know.
expect({
  maxAttempts = is_count,
  ttlMs = is_count,
  maxWaitMs = is_count,
  -- At most so many of each kind at once.
  limit = is_count,
})
local at = now()
local requeued, failed, removed, unserved, restored = 0, 0, 0, 0, 0

for _, leases in ipairs({ P .. 'leases', P .. 'leases:downloads' }) do
  for _, id in ipairs(due(leases, at, args.limit)) do
    even_without_memory()
    revoke(id, 'lost')
    if attempts_of(id) >= args.maxAttempts then
      fail_exhausted(id, at, args.ttlMs)
      failed = failed + 1
    else
      requeue(id, at)
      requeued = requeued + 1
    end
  end
end

for _, id in ipairs(due(P .. 'expiry', at, args.limit)) do
  even_without_memory()
  remove(id, {})
  removed = removed + 1
end

local function fail_unserved(lane, what)
  for _, id in ipairs(with_record(lane, call('ZRANGE', lane, 0, args.limit - 1))) do
    if at - tonumber(read(id, 'queuedAt').queuedAt) < args.maxWaitMs then break end
    even_without_memory()
    fail(id, at, args.ttlMs, 'NO_WORKER', 'No worker that ' .. what .. ' took the job in time')
    unserved = unserved + 1
  end
end
for _, model in ipairs(call('SMEMBERS', P .. 'queued:models')) do
  for _, lane in ipairs({ 'short', 'long' }) do
    fail_unserved(lane_key(lane, model), 'has the model')
  end
end
fail_unserved(P .. 'downloads', 'downloads songs')

-- Whether something will take up a job that has not ended: it is in a lane, worked on, or parked until
-- an equal job that is worked on has ended.
local function is_reachable(id)
  local job = read(id, 'lane', 'model', 'cacheKey')
  local lane = job.lane == 'downloads' and P .. 'downloads' or lane_key(job.lane, job.model)
  if call('ZSCORE', lane, id) or call('ZSCORE', leases_of(id), id) then return true end
  if not job.cacheKey or call('SISMEMBER', P .. 'parked:' .. job.cacheKey, id) == 0 then return false end
  local runner = call('GET', P .. 'running:' .. job.cacheKey)
  return runner and call('ZSCORE', P .. 'leases', runner)
end
for _, status in ipairs({ 'pending', 'processing' }) do
  -- A few at random: all of them in a short queue, and each of a long one in time.
  for _, id in ipairs(call('SRANDMEMBER', P .. 'status:' .. status, args.limit)) do
    if not has_record(id) then
      forget(id)
    elseif not is_reachable(id) then
      even_without_memory()
      requeue(id, at)
      restored = restored + 1
    end
  end
end

local queued = call('HMGET', P .. 'queued', 'short:count', 'long:count')
local workers, slots = live_workers(at), 0
for _, worker in ipairs(workers) do slots = slots + cjson.decode(worker).concurrency end
return reply({
  requeued = requeued,
  failed = failed,
  removed = removed,
  unserved = unserved,
  restored = restored,
  queued = tonumber(queued[1] or '0') + tonumber(queued[2] or '0'),
  downloads = call('ZCARD', P .. 'downloads'),
  slots = slots,
  workers = #workers,
})
