-- Gives a worker its next job: by the share of each lane, by age, and of a model that it has. The
-- token comes from the caller: one counted by Redis could come again after Redis lost the end of its
-- file, for a claim that its worker still believes in. `again`: there may be more; call again.
expect({
  worker = is_text,
  runtime = is_text,
  token = is_text,
  leaseMs = is_count,
  maxAttempts = is_count,
  -- Short jobs for each long one while both wait.
  shortShare = is_count,
  -- Neither lane falls behind the other by more.
  agingMs = is_count,
  ttlMs = is_count,
})
local worker = call('HGET', P .. 'workers', args.worker)
if not worker then return reply({ outcome = 'none', woken = 0 }) end
only_with_memory()
local models = cjson.decode(worker).models
local at = now()
local woken = 0

-- The first job of a lane among the models that the worker has.
local function head(lane)
  local first
  for _, model in ipairs(models) do
    local id, number = first_of(lane_key(lane, model.name))
    if id and (not first or number < first.number) then
      first = { id = id, number = number, model = model }
    end
  end
  if first then first.createdAt = tonumber(read(first.id, 'createdAt').createdAt) end
  return first
end

-- Which of the two lanes has its turn.
local function choose(short, long)
  local behind = short.createdAt - long.createdAt
  if behind > args.agingMs then return long end
  if -behind > args.agingMs then return short end
  local turn = tonumber(call('GET', P .. 'turn') or '0')
  return turn % (args.shortShare + 1) == args.shortShare and long or short
end

for _ = 1, 100 do
  local short, long = head('short'), head('long')
  local both = short and long
  local chosen = both and choose(short, long) or short or long
  if not chosen then return reply({ outcome = 'none', woken = woken }) end

  local id, model = chosen.id, chosen.model
  local job = read(id, 'audio', 'options', 'tenant', 'attempts', 'status', 'startedAt', 'lane',
    'queuedAt', 'downloaded')
  local key = redis.sha1hex(table.concat(
    { job.audio, job.options, model.name, model.hash, job.tenant, args.runtime }, '\n'))
  local result_id = call('GET', P .. 'cache:' .. key)
  local result = result_id and call('GET', P .. 'result:' .. result_id)
  local other = call('GET', P .. 'running:' .. key)
  local lease = other and call('ZSCORE', P .. 'leases', other)
  if not result and lease and tonumber(lease) > at then
    dequeue(id)
    call('SADD', P .. 'parked:' .. key, id)
    call('HSET', job_key(id), 'cacheKey', key)
  elseif tonumber(job.attempts) >= args.maxAttempts then
    woken = woken + fail_exhausted(id, at, args.ttlMs)
  else
    if both then call('INCR', P .. 'turn') end
    dequeue(id)
    call('ZADD', P .. 'leases', at + args.leaseMs, id)
    call('HSET', job_key(id), 'token', args.token, 'worker', args.worker, 'cacheKey', key,
      'stage', 'loading', 'progress', job.downloaded or 0, 'startedAt', job.startedAt or at,
      'updatedAt', at)
    call('HINCRBY', job_key(id), 'attempts', 1)
    if job.status ~= 'processing' then set_status(id, 'processing') end
    if result then
      -- It has the result from now on, so that the result cannot be removed with another job.
      call('SADD', P .. 'result:' .. result_id .. ':jobs', id)
      call('HSET', job_key(id), 'resultId', result_id, 'resultKey', key)
    else
      call('SET', P .. 'running:' .. key, id)
    end
    emit(id, at)
    return reply({
      outcome = 'claimed',
      woken = woken,
      record = record(id),
      cacheKey = key,
      modelHash = model.hash,
      result = result or nil,
      lane = job.lane,
      waitedMs = at - tonumber(job.queuedAt),
    })
  end
end
return reply({ outcome = 'again', woken = woken })
