-- Repairs what was lost: jobs whose lease ended or that are in no lane, records whose time is over, jobs
-- that no worker takes. Returns how many of each, and what the dispatchers have to know.
expect({
  maxAttempts = is_count,
  maxLosses = is_count,
  ttlMs = is_count,
  maxWaitMs = is_count,
  -- Longest time between two sweeps that counts as served.
  gapMs = is_count,
  -- For how long files are kept that no record needs any more.
  keptMs = is_count,
  -- At most so many of each kind at once.
  limit = is_count,
})
even_without_memory()
local at = now()
local requeued, failed, removed, unserved, restored = 0, 0, 0, 0, 0
-- Those that take jobs.
local workers, slots = is_paused() and {} or live_workers(at), 0
for _, worker in ipairs(workers) do slots = slots + cjson.decode(worker).concurrency end

local since = tonumber(call('HGET', P .. 'served', 'at') or '') or at
if #workers > 0 and at > since then
  call('HSET', P .. 'served', 'ms', served_ms() + math.min(at - since, args.gapMs))
end
call('HSET', P .. 'served', 'at', at)

for _, leases in ipairs({ P .. 'leases', P .. 'leases:downloads' }) do
  for _, id in ipairs(due(leases, at, args.limit)) do
    call('ZREM', leases, id)
    if is_active(id) then
      revoke(id, 'lost')
      local _, goes_on = lose(id, at, args)
      if goes_on then requeued = requeued + 1 else failed = failed + 1 end
    end
  end
end

for _, id in ipairs(due(P .. 'expiry', at, args.limit)) do
  call('ZREM', P .. 'expiry', id)
  if not is_active(id) then
    remove(id)
    removed = removed + 1
  end
end

for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'resumable', '-inf', at, 'LIMIT', 0, args.limit)) do
  remove_resumable(id)
end

local function has_waited_too_long(id)
  return served_ms() - tonumber(read(id, 'waitsSince').waitsSince) >= args.maxWaitMs
end
local function fail_unserved(id)
  local outage = read(id, 'outage').outage
  if outage and decoded(outage) then
    call('HSET', job_key(id), 'error', outage)
    finish(id, 'failed', at, args.ttlMs)
  else
    fail(id, at, args.ttlMs, 'NO_WORKER', 'No worker took the job within ' .. args.maxWaitMs / 1000 ..
      ' s (JOB_MAX_WAIT). Send it again later; the service needs more workers')
  end
  unserved = unserved + 1
end
for _, lane in ipairs(LANES) do
  local waiting = P .. 'waiting:' .. lane
  for _, id in ipairs(due(waiting, served_ms() - args.maxWaitMs, args.limit)) do
    if is_waiting(id) and has_waited_too_long(id) then fail_unserved(id)
    else call('ZREM', waiting, id) end
  end
  -- Damage can leave a cost that belongs to no job.
  if call('EXISTS', waiting) == 0 then call('HDEL', P .. 'queued', lane) end
end
for _, id in ipairs(due(P .. 'delayed', at, args.limit)) do
  call('ZREM', P .. 'delayed', id)
  if is_waiting(id) then
    if has_waited_too_long(id) then fail_unserved(id) else enqueue(id) end
  end
end

-- Whether something will take up a job that has not ended: it is in a lane, worked on, or parked until
-- an equal job that is worked on has ended.
local function is_reachable(id)
  local job, place = read(id, 'lane', 'cacheKey'), place_of(id)
  if place and place.lane == job.lane and call('ZSCORE', P .. 'waiting:' .. place.lane, id)
    and call('ZSCORE', queue_key(place.lane, place.model, place.client), id)
    and call('ZSCORE', lane_key(place.lane, place.model), place.client) then return true end
  if call('ZSCORE', leases_of(id), id) or call('ZSCORE', P .. 'delayed', id) then return true end
  if not job.cacheKey or call('SISMEMBER', P .. 'parked:' .. job.cacheKey, id) == 0 then return false end
  local runner = call('GET', P .. 'running:' .. job.cacheKey)
  return runner and call('ZSCORE', P .. 'leases', runner)
end
for _, status in ipairs({ 'pending', 'processing' }) do
  -- A few at random: all of them in a short queue, and each of a long one in time.
  for _, id in ipairs(call('SRANDMEMBER', P .. 'status:' .. status, args.limit)) do
    if not has_record(id) then
      forget(id)
    elseif not is_active(id) then
      call('SREM', P .. 'status:' .. status, id)
    elseif not is_reachable(id) then
      requeue(id, at)
      restored = restored + 1
    end
  end
end

return reply({
  requeued = requeued,
  failed = failed,
  removed = removed,
  unserved = unserved,
  restored = restored,
  queued = call('ZCARD', P .. 'waiting:short') + call('ZCARD', P .. 'waiting:long'),
  downloads = call('ZCARD', P .. 'waiting:downloads'),
  slots = slots,
  workers = #workers,
  trash = call('ZRANGEBYSCORE', P .. 'trash', '-inf', now() - args.keptMs, 'LIMIT', 0, args.limit),
})
