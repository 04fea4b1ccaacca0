/**
 * What the scripts share. Every change of a job is one script, so that each sees and leaves a whole
 * state. All keys begin with `oxboard:`
 *
 *     job:<id>                 HASH    the record
 *     tenant:<status>:<name>   ZSET    ids of a tenant by their number; status `all` has every job
 *     status:<status>          SET     ids that are pending or processing
 *     lane:<lane>:<model>      ZSET    ids that wait, by their number: who comes back is in front
 *     queued                   HASH    how many wait in each lane, and their cost in milliseconds
 *     queued:models            SET     models that jobs have waited for
 *     downloads                ZSET    ids whose song is still behind a link, by their number
 *     leases                   ZSET    ids that are worked on, by when their worker must be heard of
 *     leases:downloads         ZSET    the same of ids that are being downloaded
 *     running:<cache key>      STRING  the id that computes that result
 *     parked:<cache key>       SET     ids that wait for it
 *     cache:<cache key>        STRING  id of the result
 *     result:<id>              STRING  a result as JSON
 *     result:<id>:jobs         SET     ids that have it
 *     events:<id>              STREAM  what happened to a job
 *     idempotency:<hash>       HASH    job and fingerprint of an Idempotency-Key
 *     expiry                   ZSET    ids that have ended, by when their record goes
 *     webhooks                 ZSET    ids whose end is to be told, by when that is tried next
 *     trash                    SET     keys (or beginnings, with a slash) that the storage is to lose
 *     workers                  HASH    announcements by worker
 *     workers:live, :known     ZSET    workers by when they expire, and by when they were heard of
 *
 * Times are milliseconds of Redis' own clock: those of the machines around it differ.
 */
export const PREFIX = 'oxboard:';

export const PRELUDE = `
local P = '${PREFIX}'
local call = redis.call

local function now()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function int(number) return string.format('%.0f', number) end

local function job_key(id) return P .. 'job:' .. id end

local function read(id, ...) return call('HMGET', job_key(id), ...) end

-- Without memory Redis refuses the first write of a script that could take some. After any other
-- write it lets the script end, as what gives memory back must, and what is worked on may.
local function even_without_memory() call('PERSIST', P .. 'leases') end

-- The opposite: this changes nothing, but is refused without memory, and the script with it.
local function only_with_memory() call('SETRANGE', P .. 'memory', 0, '') end

local function lane_key(lane, model) return P .. 'lane:' .. lane .. ':' .. model end

-- A job whose song is not there yet is in a lane of its own, with leases and attempts of its own.
local function is_download(id) return read(id, 'lane')[1] == 'downloads' end

local function leases_of(id) return P .. (is_download(id) and 'leases:downloads' or 'leases') end

local function attempts_field(id) return is_download(id) and 'downloadAttempts' or 'attempts' end

local function enqueue(id)
  local job = read(id, 'lane', 'model', 'number', 'costMs')
  if job[1] == 'downloads' then
    call('ZADD', P .. 'downloads', job[3], id)
  elseif call('ZADD', lane_key(job[1], job[2]), job[3], id) == 1 then
    call('SADD', P .. 'queued:models', job[2])
    call('HINCRBY', P .. 'queued', job[1] .. ':count', 1)
    call('HINCRBY', P .. 'queued', job[1] .. ':ms', job[4])
  end
end

local function dequeue(id)
  local job = read(id, 'lane', 'model', 'costMs')
  if job[1] == 'downloads' then
    call('ZREM', P .. 'downloads', id)
  elseif call('ZREM', lane_key(job[1], job[2]), id) == 1 then
    call('HINCRBY', P .. 'queued', job[1] .. ':count', -1)
    call('HINCRBY', P .. 'queued', job[1] .. ':ms', '-' .. job[3])
  end
end

local function channel(id) return P .. 'events:' .. id end

-- Tells the state of a job as it is now. Errors are JSON already.
local function emit(id, at)
  local job = read(id, 'status', 'stage', 'progress', 'error')
  local event = '{"status":"' .. job[1] .. '","stage":"' .. job[2] .. '","progress":' .. job[3] ..
    ',"error":' .. (job[4] or 'null') .. ',"at":' .. int(at) .. '}'
  local event_id = call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', 500, '*', 'event', event)
  call('HSET', job_key(id), 'lastEvent', event_id, 'lastEventAt', int(at))
  call('PUBLISH', channel(id), event_id .. ' ' .. event)
end

local function set_status(id, status)
  local job = read(id, 'tenant', 'number', 'status')
  if job[3] then
    call('ZREM', P .. 'tenant:' .. job[3] .. ':' .. job[1], id)
    call('SREM', P .. 'status:' .. job[3], id)
  end
  call('HSET', job_key(id), 'status', status)
  call('ZADD', P .. 'tenant:' .. status .. ':' .. job[1], job[2], id)
  if status == 'pending' or status == 'processing' then
    call('SADD', P .. 'status:' .. status, id)
  end
end

-- A job computes its result no more: those that waited for it are put back into their lanes.
-- Returns how many.
local function end_running(id)
  local key = read(id, 'cacheKey')[1]
  if not key then return 0 end
  call('SREM', P .. 'parked:' .. key, id)
  if call('GET', P .. 'running:' .. key) ~= id then return 0 end
  call('DEL', P .. 'running:' .. key)
  local parked = call('SMEMBERS', P .. 'parked:' .. key)
  for _, other in ipairs(parked) do enqueue(other) end
  call('DEL', P .. 'parked:' .. key)
  return #parked
end

local function discard(trash, entry)
  call('SADD', P .. 'trash', entry)
  trash[#trash + 1] = entry
end

-- A job has its result no more; with the last one it goes.
local function release_result(id, trash)
  local result = read(id, 'resultId')[1]
  if not result then return end
  local jobs = P .. 'result:' .. result .. ':jobs'
  call('HDEL', job_key(id), 'resultId')
  call('SREM', jobs, id)
  if call('SCARD', jobs) > 0 then return end
  local key = read(id, 'resultKey')[1]
  if key and call('GET', P .. 'cache:' .. key) == result then call('DEL', P .. 'cache:' .. key) end
  call('DEL', P .. 'result:' .. result)
  discard(trash, 'results/' .. result .. '/')
end

-- What only the work needed goes when the work has ended.
local function discard_inputs(id, trash)
  local upload = read(id, 'upload')[1]
  if upload and upload ~= '' then discard(trash, upload) end
  discard(trash, 'checkpoints/' .. id .. '/')
end

-- Ends a job. Returns how many others it woke.
local function finish(id, status, at, ttl, trash)
  call('ZREM', leases_of(id), id)
  dequeue(id)
  local woken = end_running(id)
  call('HDEL', job_key(id), 'token', 'worker')
  set_status(id, status)
  call('HSET', job_key(id), 'stage', 'done', 'finishedAt', int(at), 'updatedAt', int(at))
  if status ~= 'completed' then release_result(id, trash) end
  discard_inputs(id, trash)
  call('ZADD', P .. 'expiry', int(at + tonumber(ttl)), id)
  if read(id, 'callbackUrl')[1] then
    call('ZADD', P .. 'webhooks', int(at), id)
    call('HSET', job_key(id), 'webhookNextAt', int(at))
  end
  emit(id, at)
  return woken
end

-- The worker of a job is gone, or gave it back. Returns how many jobs wait now.
local function requeue(id, at)
  call('ZREM', leases_of(id), id)
  local woken = end_running(id)
  call('HDEL', job_key(id), 'token', 'worker')
  release_result(id, {})
  call('HSET', job_key(id), 'stage', 'waiting', 'updatedAt', int(at), 'queuedAt', int(at))
  enqueue(id)
  emit(id, at)
  return woken + 1
end

local function fail_exhausted(id, at, ttl)
  local attempts = read(id, attempts_field(id))[1]
  call('HSET', job_key(id), 'error', '{"code":"ATTEMPTS_EXHAUSTED","message":"' .. attempts ..
    ' workers in a row ended while they worked on this job"}')
  return finish(id, 'failed', at, ttl, {})
end

local function fail_unserved(id, at, ttl)
  local what = is_download(id) and 'downloads songs' or 'has the model'
  call('HSET', job_key(id), 'error',
    '{"code":"NO_WORKER","message":"No worker that ' .. what .. ' took the job in time"}')
  return finish(id, 'failed', at, ttl, {})
end

local function revoke(id, why)
  local token = read(id, 'token')[1]
  if token then call('PUBLISH', P .. 'revoked', token .. ' ' .. why) end
end

local function remove(id, trash)
  release_result(id, trash)
  discard_inputs(id, trash)
  local job = read(id, 'tenant', 'status', 'idempotency')
  call('ZREM', P .. 'tenant:all:' .. job[1], id)
  call('ZREM', P .. 'tenant:' .. job[2] .. ':' .. job[1], id)
  call('ZREM', P .. 'expiry', id)
  call('ZREM', P .. 'webhooks', id)
  if job[3] then call('DEL', P .. 'idempotency:' .. job[3]) end
  call('DEL', job_key(id), P .. 'events:' .. id)
  call('PUBLISH', channel(id), 'removed')
end

local function record(id)
  local result = read(id, 'resultId', 'status')
  local json = result[1] and result[2] == 'completed' and call('GET', P .. 'result:' .. result[1])
  return { call('HGETALL', job_key(id)), json or false }
end

local function of_tenant(id, tenant) return read(id, 'tenant')[1] == tenant end
`;
