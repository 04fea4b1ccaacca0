--[[
What the scripts share: scripts.ts puts `local P`, the prefix of all keys, and this text before each.
A script takes one argument, an object as JSON, and replies with an object as JSON.

Every change of a job is one script, so that each sees and leaves a whole state. Redis does not undo
what a script wrote before it failed. So each script begins with `expect`, which refuses arguments that
do not fit, and ids whose record is gone are dropped where they are found.

Keys, after the prefix:

    job:<id>                 HASH    the record
    tenant:<status>:<name>   ZSET    ids of a tenant by their number; status `all` has every job, and
                                     tenant `*` every tenant's
    tenant:<status>:<name>:<reference>   those that have this reference of the client
                             ZSET
    status:<status>          SET     ids that are pending or processing
    lane:<lane>:<model>      ZSET    clients with jobs that wait there, by their turn: see enqueue
    queue:<lane>:<model>:<client>    ids of a client that wait there, by their number: a job that comes
                             ZSET    back is in front
    places                   HASH    where each id waits: lane, model, client and cost, as JSON
    waiting:<lane>           ZSET    ids that wait in a lane, by the served time at which they began to
    queued                   HASH    cost in milliseconds of all that waits in each lane
    turns:<lane>             STRING  counts the claims from a lane
    turn                     STRING  counts the claims made while both lanes waited
    delayed                  ZSET    ids that an outage sent back, by when they return to their lanes
    served                   HASH    `ms`: the served time, for how long there have been workers;
                                     `at`: until when that was counted
    leases                   ZSET    ids that are worked on, by when their lease ends
    leases:downloads         ZSET    the same for ids that are being downloaded
    running:<cache key>      STRING  the id that computes that result
    parked:<cache key>       SET     ids that wait for that result
    cache:<cache key>        STRING  id of the result
    result:<id>              STRING  a result as JSON
    result:<id>:jobs         SET     ids that have it, or make it and publish chunks of it
    events:<id>              STREAM  what happened to a job; also the channel of its new events
    idempotency:<hash>       HASH    job and fingerprint of an Idempotency-Key
    limit:<client>           HASH    what a client has used of its limits since `period`; expires
    limit:<client>:open      ZSET    its reservations, by when they run out; expires
    failures:<client>        STRING  how often what a client tried has failed; expires
    resumable:<id>           HASH    a song that comes in parts: tenant, client, name, sizeBytes
    resumable:<id>:lock      STRING  token of the request that writes to it; expires
    resumable:open:<client>  ZSET    ids of a client of which no job was made yet, by their sizes
    resumable                ZSET    ids by when they are removed
    wanted                           the channel of locks that another request wants
    number                   STRING  counts the jobs
    paused                   STRING  there while no job is given out
    expiry                   ZSET    ids that have ended, by when their record is removed
    webhooks                 ZSET    ids whose webhook is due, by when it is sent next
    revoked                          the channel of claims that became void
    trash                    ZSET    keys (or prefixes, with a slash) that the storage has to remove, by
                                     since when
    workers                  HASH    announcements by worker
    workers:live, :known     ZSET    workers by when they expire, and by when they were last heard of

Fields of a record that are not in the schema of jobs/job.ts, because only the scripts use them:

    number                   order of admission
    lane, model, costMs      where it waits, and its cost; lane `downloads` until its song is there
    client                   with whom it takes turns: hash of an address, or tenant
    audio, options           hash of the song and canonical options, for the cache key
    upload                   key or prefix in the storage of what was uploaded or downloaded
    song, downloaded         key of the downloaded song, and the progress it brought
    queuedAt                 when it was put into its lane
    waitsSince               the served time at which it began to wait; an outage does not change it
    outage                   why its last attempt could not go on, as JSON, if that was an outage
    downloadAttempts         as `attempts`, for downloads
    losses                   workers lost in a row without progress between them
    checkpoint               the farthest checkpoint: its series and its end in frames
    token, worker            of the claim that holds it
    cacheKey                 of the result that it computes or waits for
    signature, generation    of what is published while it runs: see begin-playback.lua
    resultId, resultKey      its result, and the cache key of that
    idempotency              hash of its Idempotency-Key
    lastEvent, lastEventAt   id and time of its newest event
    webhookToken             of the delivery that is under way

Times are milliseconds of Redis' own clock: those of the machines around it differ.
]]
local call = redis.call

local args = cjson.decode(ARGV[1])
for name, value in pairs(args) do
  if value == cjson.null then args[name] = nil end
end

local function is_text(value) return type(value) == 'string' end

local function is_number(value) return type(value) == 'number' and value * 0 == 0 end

-- Milliseconds and numbers of things.
local function is_count(value)
  return is_number(value) and value >= 0 and value <= 2 ^ 53 and value % 1 == 0
end

local function is_percent(value) return is_number(value) and value >= 0 and value <= 100 end

local function is_flag(value) return type(value) == 'boolean' end

-- A list or an object of texts.
local function is_texts(value)
  if type(value) ~= 'table' then return false end
  for _, text in pairs(value) do
    if not is_text(text) then return false end
  end
  return true
end

local function one_of(...)
  local known = {}
  for _, name in ipairs({ ... }) do known[name] = true end
  return function(value) return value ~= nil and known[value] == true end
end

local function optional(fits)
  return function(value) return value == nil or fits(value) end
end

-- Refuses arguments that do not fit, before anything is written.
local function expect(shape)
  for name, fits in pairs(shape) do
    if not fits(args[name]) then error('wrong or missing argument: ' .. name) end
  end
  for name in pairs(args) do
    if not shape[name] then error('unknown argument: ' .. name) end
  end
end

-- Empty lists are left out, since cjson cannot tell them from empty objects.
local function reply(values)
  for name, value in pairs(values) do
    if type(value) == 'table' and next(value) == nil then values[name] = nil end
  end
  return cjson.encode(values)
end

local function now()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function job_key(id) return P .. 'job:' .. id end

-- Some fields of a record, as text; those that it lacks are nil.
local function read(id, ...)
  local values, job = call('HMGET', job_key(id), ...), {}
  for at, name in ipairs({ ... }) do job[name] = values[at] or nil end
  return job
end

-- JSON as a value; nil for a text that is none.
local function decoded(text)
  local fits, value = pcall(cjson.decode, text)
  return fits and type(value) == 'table' and value or nil
end

local STATUSES = one_of('pending', 'processing', 'completed', 'failed', 'cancelled')
local LANES = { 'short', 'long', 'downloads' }
local function is_integer(text) return #text <= 15 and string.match(text, '^%d+$') end

-- What every script may rely on in a record.
local REQUIRED = {
  id = is_text,
  tenant = is_text,
  status = STATUSES,
  stage = is_text,
  progress = function(text) return is_percent(tonumber(text)) end,
  attempts = is_integer,
  number = is_integer,
  lane = one_of(unpack(LANES)),
  model = is_text,
  client = is_text,
  costMs = is_integer,
  options = is_text,
  downloadAttempts = is_integer,
  chunksReady = is_integer,
  createdAt = is_integer,
  updatedAt = is_integer,
  queuedAt = is_integer,
  waitsSince = is_integer,
}
local REQUIRED_NAMES = {}
for name in pairs(REQUIRED) do REQUIRED_NAMES[#REQUIRED_NAMES + 1] = name end

-- A record with a field that is missing or does not fit counts as gone.
local function has_record(id)
  local job = read(id, unpack(REQUIRED_NAMES))
  for name, fits in pairs(REQUIRED) do
    if not (job[name] and fits(job[name])) then return false end
  end
  return true
end

-- Whether jobs wait until the operator lets workers go on.
local function is_paused() return call('EXISTS', P .. 'paused') == 1 end

-- Whether a job waits or is worked on.
local function is_active(id)
  local status = read(id, 'status').status
  return status == 'pending' or status == 'processing'
end

-- Whether nobody works on a job that has not ended.
local function is_waiting(id) return is_active(id) and not read(id, 'token').token end

-- Redis out of memory refuses the first write of a script if that could take memory, but no write
-- after another. Scripts that free memory, and those of running jobs, begin with this harmless write.
local function even_without_memory() call('PERSIST', P .. 'leases') end

-- The opposite: it changes nothing, but is refused without memory, and the script with it.
local function only_with_memory() call('SETRANGE', P .. 'memory', 0, '') end

-- Any downloader takes any job.
local ANY_MODEL = '*'

local function lane_key(lane, model) return P .. 'lane:' .. lane .. ':' .. model end

local function queue_key(lane, model, client)
  return P .. 'queue:' .. lane .. ':' .. model .. ':' .. client
end

-- Milliseconds for which there have been workers. Jobs wait by this clock: time without one is no wait.
local function served_ms() return tonumber(call('HGET', P .. 'served', 'ms') or '0') end

-- A job whose song is not there yet is in a lane of its own, with leases and attempts of its own.
local function is_download(id) return read(id, 'lane').lane == 'downloads' end

local function leases_of(id) return P .. (is_download(id) and 'leases:downloads' or 'leases') end

local function attempts_field(id) return is_download(id) and 'downloadAttempts' or 'attempts' end

-- Returns whether the id counted as one that waits there.
local function leave_queue(lane, model, client, id)
  local queue = queue_key(lane, model, client)
  call('ZREM', queue, id)
  if call('EXISTS', queue) == 0 then call('ZREM', lane_key(lane, model), client) end
  return call('ZREM', P .. 'waiting:' .. lane, id) == 1
end

local function place_of(id)
  local place = decoded(call('HGET', P .. 'places', id))
  local fits = place and is_text(place.lane) and is_text(place.model) and is_text(place.client)
    and is_count(place.costMs)
  return fits and place or nil
end

local function dequeue(id)
  call('ZREM', P .. 'delayed', id)
  local place = place_of(id)
  call('HDEL', P .. 'places', id)
  if not place then return end
  if leave_queue(place.lane, place.model, place.client, id) then
    -- A difference: the negative of a cost of 0 is -0, which HINCRBY refuses.
    call('HINCRBY', P .. 'queued', place.lane, 0 - place.costMs)
  end
  if call('EXISTS', P .. 'waiting:' .. place.lane) == 0 then call('HDEL', P .. 'queued', place.lane) end
end

-- Puts a job into its lane. Clients take turns there: one that was served at turn t is behind all that
-- were served before. One that had nothing there comes before it, and behind those that were served
-- earlier: it is in [t - 1, t), by its number.
local function enqueue(id)
  dequeue(id)
  local job = read(id, 'lane', 'model', 'client', 'number', 'costMs', 'waitsSince')
  local lane, client, number = job.lane, job.client, tonumber(job.number)
  local model = lane == 'downloads' and ANY_MODEL or job.model
  local turn = tonumber(call('GET', P .. 'turns:' .. lane) or '0')
  call('ZADD', lane_key(lane, model), 'NX', turn - 1 + number % 2 ^ 20 / 2 ^ 20, client)
  call('ZADD', queue_key(lane, model, client), number, id)
  call('ZADD', P .. 'waiting:' .. lane, job.waitsSince, id)
  call('HINCRBY', P .. 'queued', lane, job.costMs)
  call('HSET', P .. 'places', id, cjson.encode(
    { lane = lane, model = model, client = client, costMs = tonumber(job.costMs) }))
end

-- Drops an id whose record is gone, evicted or deleted by hand, from wherever it could block others.
local function forget(id)
  dequeue(id)
  for _, ids in ipairs({ 'leases', 'leases:downloads', 'expiry', 'webhooks' }) do
    call('ZREM', P .. ids, id)
  end
  call('SREM', P .. 'status:pending', id)
  call('SREM', P .. 'status:processing', id)
  call('DEL', job_key(id), P .. 'events:' .. id)
end

-- Those of some members of a sorted set that have a record; the others are dropped.
local function with_record(key, ids)
  local kept = {}
  for _, id in ipairs(ids) do
    if has_record(id) then
      kept[#kept + 1] = id
    else
      forget(id)
      call('ZREM', key, id)
    end
  end
  return kept
end

-- The first id of a sorted set, and its score.
local function first_of(key)
  while true do
    local entry = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not entry[1] then return nil end
    if with_record(key, { entry[1] })[1] then return entry[1], tonumber(entry[2]) end
  end
end

-- The first job of a lane for a model: the oldest of the client whose turn it is.
local function head(lane, model)
  local clients = lane_key(lane, model)
  while true do
    local entry = call('ZRANGE', clients, 0, 0, 'WITHSCORES')
    local client = entry[1]
    if not client then return nil end
    local id, number = first_of(queue_key(lane, model, client))
    if not id then
      call('ZREM', clients, client)
    elseif is_waiting(id) then
      return { id = id, number = number, lane = lane, model = model, client = client,
        turn = tonumber(entry[2]) }
    else
      leave_queue(lane, model, client, id)
    end
  end
end

-- Takes the first job of a lane out of it.
local function take(first)
  dequeue(first.id)
  leave_queue(first.lane, first.model, first.client, first.id)
end

-- The client of that job has had its turn, for all of these models: it is behind every other there. If
-- the count of turns was lost, the clients that wait tell how far it was at least.
local function end_turn(first, models)
  local turns = P .. 'turns:' .. first.lane
  local turn = call('INCR', turns)
  for _, model in ipairs(models) do
    local last = call('ZRANGE', lane_key(first.lane, model), -1, -1, 'WITHSCORES')
    turn = math.max(turn, math.floor(tonumber(last[2]) or 0) + 1)
  end
  call('SET', turns, turn)
  for _, model in ipairs(models) do
    call('ZADD', lane_key(first.lane, model), 'XX', turn, first.client)
  end
end

-- Some ids of a sorted set that are due.
local function due(key, at, most)
  return with_record(key, call('ZRANGEBYSCORE', key, '-inf', at, 'LIMIT', 0, most))
end

-- The state of a job as an event. Errors are JSON already.
local function event_of(id, at)
  local job = read(id, 'status', 'stage', 'progress', 'error', 'chunksReady', 'warnings')
  return '{"status":"' .. job.status .. '","stage":"' .. job.stage .. '","progress":' .. job.progress ..
    ',"error":' .. (job.error or 'null') .. ',"chunksReady":' .. job.chunksReady ..
    ',"warnings":' .. (job.warnings or 'null') .. ',"at":' .. at .. '}'
end

local function emit(id, at)
  local event = event_of(id, at)
  local event_id = call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', 500, '*', 'event', event)
  call('HSET', job_key(id), 'lastEvent', event_id, 'lastEventAt', at)
  call('PUBLISH', P .. 'events:' .. id, event_id .. ' ' .. event)
end

-- Instead of a tenant: the jobs of all of them.
local ANY_TENANT = '*'

local function list_key(status, tenant, reference)
  return P .. 'tenant:' .. status .. ':' .. tenant .. (reference and ':' .. reference or '')
end

-- Those of a status that a job belongs in.
local function lists_of(id, status)
  local job, lists = read(id, 'tenant', 'clientReference'), {}
  for _, tenant in ipairs({ job.tenant, ANY_TENANT }) do
    lists[#lists + 1] = list_key(status, tenant)
    if job.clientReference then
      lists[#lists + 1] = list_key(status, tenant, job.clientReference)
    end
  end
  return lists
end

local function add_to_lists(id, status)
  local number = read(id, 'number').number
  for _, list in ipairs(lists_of(id, status)) do call('ZADD', list, number, id) end
end

local function remove_from_lists(id, status)
  for _, list in ipairs(lists_of(id, status)) do call('ZREM', list, id) end
end

local function set_status(id, status)
  local before = read(id, 'status').status
  remove_from_lists(id, before)
  call('SREM', P .. 'status:' .. before, id)
  call('HSET', job_key(id), 'status', status)
  add_to_lists(id, status)
  if status == 'pending' or status == 'processing' then
    call('SADD', P .. 'status:' .. status, id)
  end
end

-- A job no longer computes its result: jobs that waited for it go back to their lanes. Returns how many.
local function end_running(id)
  local key = read(id, 'cacheKey').cacheKey
  if not key then return 0 end
  call('SREM', P .. 'parked:' .. key, id)
  if call('GET', P .. 'running:' .. key) ~= id then return 0 end
  call('DEL', P .. 'running:' .. key)
  local woken = 0
  for _, other in ipairs(call('SMEMBERS', P .. 'parked:' .. key)) do
    if has_record(other) then
      enqueue(other)
      woken = woken + 1
    end
  end
  call('DEL', P .. 'parked:' .. key)
  return woken
end

local function discard(entry) call('ZADD', P .. 'trash', now(), entry) end

local function resumable_key(id) return P .. 'resumable:' .. id end

-- A song that came in parts, or some of them.
local function remove_resumable(id)
  local client = call('HGET', resumable_key(id), 'client')
  if client then call('ZREM', P .. 'resumable:open:' .. client, id) end
  call('ZREM', P .. 'resumable', id)
  call('DEL', resumable_key(id))
  discard('resumable/' .. id .. '/')
end

-- A job no longer has that result. It is removed with the last job that has it.
local function leave_result(id, result, key)
  local jobs = P .. 'result:' .. result .. ':jobs'
  call('SREM', jobs, id)
  if call('SCARD', jobs) > 0 then return end
  if key and call('GET', P .. 'cache:' .. key) == result then call('DEL', P .. 'cache:' .. key) end
  call('DEL', P .. 'result:' .. result)
  discard('results/' .. result .. '/')
end

-- A job no longer has its result.
local function release_result(id)
  local job = read(id, 'resultId', 'resultKey')
  if not job.resultId then return end
  call('HDEL', job_key(id), 'resultId')
  leave_result(id, job.resultId, job.resultKey)
end

-- A job no longer makes the result of which chunks are published.
local function release_playback(id)
  local playback = decoded(read(id, 'playback').playback)
  call('HDEL', job_key(id), 'playback', 'signature')
  call('HSET', job_key(id), 'chunksReady', 0)
  if playback and is_text(playback.resultId) then leave_result(id, playback.resultId, nil) end
end

-- The song as it was uploaded or downloaded.
local function discard_song(id)
  local upload = read(id, 'upload').upload
  if upload then discard(upload) end
end

-- Ends a job. Returns how many others it woke.
local function finish(id, status, at, ttl)
  call('ZREM', leases_of(id), id)
  dequeue(id)
  local woken = end_running(id)
  call('HDEL', job_key(id), 'token', 'worker')
  set_status(id, status)
  call('HSET', job_key(id), 'stage', 'done', 'finishedAt', at, 'updatedAt', at)
  if status ~= 'completed' then
    release_result(id)
    release_playback(id)
  end
  discard('checkpoints/' .. id .. '/')
  -- A job that failed can be tried again.
  if status ~= 'failed' then discard_song(id) end
  call('ZADD', P .. 'expiry', at + ttl, id)
  local webhook = decoded(read(id, 'webhook').webhook)
  if webhook then
    webhook.nextAttemptAt = at
    call('ZADD', P .. 'webhooks', at, id)
    call('HSET', job_key(id), 'webhook', cjson.encode(webhook))
  end
  emit(id, at)
  return woken
end

local function revoke(id, why)
  local token = read(id, 'token').token
  if token then call('PUBLISH', P .. 'revoked', token .. ' ' .. why) end
end

-- Cancels a job that has not ended. Returns how many others it woke.
local function cancel(id, ttl)
  revoke(id, 'cancelled')
  return finish(id, 'cancelled', now(), ttl)
end

-- Ends the claim on a job that has not ended. Returns how many others it woke.
local function release(id, at)
  call('ZREM', leases_of(id), id)
  local woken = end_running(id)
  call('HDEL', job_key(id), 'token', 'worker')
  release_result(id)
  call('HSET', job_key(id), 'stage', 'waiting', 'updatedAt', at, 'queuedAt', at)
  return woken
end

-- Puts a job back into its lane, without a claim. Returns how many jobs wait now because of it.
local function requeue(id, at)
  local woken = release(id, at)
  call('HSET', job_key(id), 'waitsSince', served_ms())
  enqueue(id)
  emit(id, at)
  return woken + 1
end

-- The same after an outage: the job is put back later, and has waited all the time.
local function delay(id, at, delay_ms, outage)
  local woken = release(id, at)
  dequeue(id)
  call('HSET', job_key(id), 'outage', outage)
  call('ZADD', P .. 'delayed', at + delay_ms, id)
  emit(id, at)
  return woken
end

local function fail(id, at, ttl, code, message)
  call('HSET', job_key(id), 'error', cjson.encode({ code = code, message = message }))
  return finish(id, 'failed', at, ttl)
end

local function attempts_of(id) return tonumber(read(id, attempts_field(id))[attempts_field(id)]) end

local function losses_of(id) return tonumber(read(id, 'losses').losses or '0') or 0 end

local function fail_exhausted(id, at, ttl, max_losses)
  local losses = losses_of(id)
  return fail(id, at, ttl, 'ATTEMPTS_EXHAUSTED', losses >= max_losses and
    losses .. ' workers in a row ended at the same point of this job. They may lack the memory for it: ' ..
      'choose a shorter segment or a smaller model. The logs of the workers tell more' or
    'Workers ended or stopped during all ' .. attempts_of(id) .. ' attempts at this job, though it made ' ..
      'progress. Send it again when the service is stable. The logs of the workers tell more')
end

-- The worker of a job was lost, or is stuck: the job goes back to its lane unless it has no attempt left.
-- Returns how many jobs wait now because of it, and whether the job goes on.
local function lose(id, at, limits)
  local losses = losses_of(id) + 1
  call('HSET', job_key(id), 'losses', losses)
  if losses >= limits.maxLosses or attempts_of(id) >= limits.maxAttempts then
    return fail_exhausted(id, at, limits.ttlMs, limits.maxLosses), false
  end
  return requeue(id, at), true
end

-- Why a claim is void: the record is gone, has another token, or none; nil while it holds.
local function why_void(id, token)
  if not has_record(id) then return 'cancelled' end
  local job = read(id, 'token', 'status')
  if job.token == token then return nil end
  return job.status == 'cancelled' and 'cancelled' or 'lost'
end

local function remove(id)
  release_result(id)
  discard_song(id)
  local job = read(id, 'status', 'idempotency')
  remove_from_lists(id, 'all')
  remove_from_lists(id, job.status)
  call('ZREM', P .. 'expiry', id)
  call('ZREM', P .. 'webhooks', id)
  if job.idempotency then call('DEL', P .. 'idempotency:' .. job.idempotency) end
  call('DEL', job_key(id), P .. 'events:' .. id)
  call('PUBLISH', P .. 'events:' .. id, 'removed')
end

-- All fields of a record as text, its result among them.
local function record(id)
  local flat, fields = call('HGETALL', job_key(id)), {}
  for at = 1, #flat, 2 do fields[flat[at]] = flat[at + 1] end
  if fields.status == 'completed' and fields.resultId then
    fields.result = call('GET', P .. 'result:' .. fields.resultId) or nil
  end
  return fields
end

local function of_tenant(id, tenant)
  return has_record(id) and (tenant == ANY_TENANT or read(id, 'tenant').tenant == tenant)
end

-- Announcements of the live workers, as JSON.
local function live_workers(at)
  local live = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'workers:live', at, '+inf')) do
    local announcement = call('HGET', P .. 'workers', id)
    local worker = decoded(announcement)
    if worker and is_count(worker.concurrency) then live[#live + 1] = announcement end
  end
  return live
end
