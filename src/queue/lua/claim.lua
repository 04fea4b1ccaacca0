-- Gives a worker its next job: by the share of each lane, by age, and of a model that it has. The
-- token comes from the caller: one counted by Redis could come again after Redis lost the end of its
-- file, for a claim that its worker still believes in. `again`: there may be more; call again.
-- `exhausted`: how many jobs it ended, because they had no attempt left.
expect({
  worker = is_text,
  runtime = is_text,
  token = is_text,
  leaseMs = is_count,
  maxAttempts = is_count,
  maxLosses = is_count,
  -- Short jobs for each long one while both wait.
  shortShare = is_count,
  -- Of the jobs of one client, those in one lane fall behind those in the other by no more.
  agingMs = is_count,
  ttlMs = is_count,
})
local worker = decoded(call('HGET', P .. 'workers', args.worker))
if not worker or is_paused() then return reply({ outcome = 'none', woken = 0, exhausted = 0 }) end
only_with_memory()
local models, names = worker.models, {}
for at, model in ipairs(models) do names[at] = model.name end
local at = now()
local woken, exhausted = 0, 0

-- The first job of a lane among the models that the worker has.
local function first_in(lane)
  local first, hash
  for _, model in ipairs(models) do
    local candidate = head(lane, model.name)
    if candidate and (not first or candidate.turn < first.turn
      or candidate.turn == first.turn and candidate.number < first.number) then
      first, hash = candidate, model.hash
    end
  end
  if first then
    first.hash = hash
    first.createdAt = tonumber(read(first.id, 'createdAt').createdAt)
  end
  return first
end

-- Which of the two lanes has its turn. Age counts only between jobs of one client: nobody has to wait
-- until the old jobs of another are done.
local function choose(short, long)
  local behind = short.client == long.client and short.createdAt - long.createdAt or 0
  if behind > args.agingMs then return long end
  if -behind > args.agingMs then return short end
  local turn = tonumber(call('GET', P .. 'turn') or '0')
  return turn % (args.shortShare + 1) == args.shortShare and long or short
end

for _ = 1, 100 do
  local short, long = first_in('short'), first_in('long')
  local both = short and long
  local chosen = both and choose(short, long) or short or long
  if not chosen then return reply({ outcome = 'none', woken = woken, exhausted = exhausted }) end

  local id = chosen.id
  local job = read(id, 'audio', 'options', 'tenant', 'attempts', 'status', 'startedAt', 'queuedAt',
    'downloaded')
  local key = redis.sha1hex(table.concat(
    { job.audio or '', job.options, chosen.model, chosen.hash, job.tenant, args.runtime }, '\n'))
  local result_id = call('GET', P .. 'cache:' .. key)
  local result = result_id and call('GET', P .. 'result:' .. result_id)
  local other = call('GET', P .. 'running:' .. key)
  local lease = other and call('ZSCORE', P .. 'leases', other)
  if not result and lease and tonumber(lease) > at then
    take(chosen)
    call('SADD', P .. 'parked:' .. key, id)
    call('HSET', job_key(id), 'cacheKey', key)
  elseif tonumber(job.attempts) >= args.maxAttempts then
    take(chosen)
    woken = woken + fail_exhausted(id, at, args.ttlMs, args.maxLosses)
    exhausted = exhausted + 1
  else
    if both then call('INCR', P .. 'turn') end
    take(chosen)
    end_turn(chosen, names)
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
      exhausted = exhausted,
      record = record(id),
      cacheKey = key,
      modelHash = chosen.hash,
      result = result or nil,
      lane = chosen.lane,
      waitedMs = at - tonumber(job.queuedAt),
    })
  end
end
return reply({ outcome = 'again', woken = woken, exhausted = exhausted })
