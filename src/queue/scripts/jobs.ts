/**
 * What the API does with records.
 */
import { script } from '../../redis/connection.js';
import { PRELUDE } from './prelude.js';

/**
 * ARGV: id, tenant, request, model, lane, costMs, estimatedSeconds, requestId, audio, options,
 * upload, idempotency ('' or hash), fingerprint, callback URL or '', place in a trace or ''. Returns what
 * happened and the record.
 */
export const ADMIT = script(`${PRELUDE}
local id, tenant, idempotency, fingerprint = ARGV[1], ARGV[2], ARGV[12], ARGV[13]
if idempotency ~= '' then
  local before = call('HMGET', P .. 'idempotency:' .. idempotency, 'job', 'fingerprint')
  if before[1] then
    if before[2] ~= fingerprint then return { 'conflict' } end
    return { 'replayed', record(before[1]) }
  end
end
if call('EXISTS', job_key(id)) == 1 then return { 'exists' } end

local at = now()
local number = call('INCR', P .. 'number')
call('HSET', job_key(id), 'id', id, 'tenant', tenant, 'number', number, 'request', ARGV[3],
  'model', ARGV[4], 'lane', ARGV[5], 'costMs', ARGV[6], 'estimatedSeconds', ARGV[7],
  'requestId', ARGV[8], 'audio', ARGV[9], 'options', ARGV[10], 'upload', ARGV[11],
  'stage', 'waiting', 'progress', '0', 'attempts', '0', 'downloadAttempts', '0',
  'createdAt', int(at), 'updatedAt', int(at), 'queuedAt', int(at))
call('ZADD', P .. 'tenant:all:' .. tenant, number, id)
if ARGV[15] ~= '' then call('HSET', job_key(id), 'trace', ARGV[15]) end
if ARGV[14] ~= '' then
  call('HSET', job_key(id), 'callbackUrl', ARGV[14], 'webhookStatus', 'pending',
    'webhookAttempts', '0')
end
set_status(id, 'pending')
if idempotency ~= '' then
  call('HSET', job_key(id), 'idempotency', idempotency)
  call('HSET', P .. 'idempotency:' .. idempotency, 'job', id, 'fingerprint', fingerprint)
end
enqueue(id)
emit(id, at)
return { 'admitted', record(id) }
`);

/** ARGV: id, tenant. */
export const GET = script(`${PRELUDE}
if not of_tenant(ARGV[1], ARGV[2]) then return false end
return record(ARGV[1])
`);

/** ARGV: tenant, status or `all`, the highest number or `+inf`, how many. Newest first. */
export const LIST = script(`${PRELUDE}
local ids = call('ZREVRANGEBYSCORE', P .. 'tenant:' .. ARGV[2] .. ':' .. ARGV[1], ARGV[3], '-inf',
  'LIMIT', 0, ARGV[4])
local records = {}
for at, id in ipairs(ids) do records[at] = record(id) end
return records
`);

/** ARGV: id, tenant, ttl. Returns what happened, how many jobs it woke, and the new trash. */
export const CANCEL_OR_REMOVE = script(`${PRELUDE}
local id = ARGV[1]
if not of_tenant(id, ARGV[2]) then return false end
even_without_memory()
local trash = {}
local status = read(id, 'status')[1]
if status == 'pending' or status == 'processing' then
  revoke(id, 'cancelled')
  local woken = finish(id, 'cancelled', now(), ARGV[3], trash)
  return { 'cancelled', woken, trash }
end
remove(id, trash)
return { 'removed', 0, trash }
`);

/** Returns counts and milliseconds of what waits by lane, milliseconds of what runs, live workers. */
export const LOAD = script(`${PRELUDE}
local queued = call('HMGET', P .. 'queued', 'short:count', 'short:ms', 'long:count', 'long:ms')
for at = 1, 4 do queued[at] = tonumber(queued[at] or '0') end
local ids = call('ZRANGE', P .. 'leases', 0, -1)
local left = 0
for _, id in ipairs(ids) do
  local job = read(id, 'costMs', 'progress')
  left = left + tonumber(job[1]) * (1 - tonumber(job[2]) / 100)
end
local workers = {}
for at, id in ipairs(call('ZRANGEBYSCORE', P .. 'workers:live', int(now()), '+inf')) do
  workers[at] = call('HGET', P .. 'workers', id)
end
return { queued, #ids, int(left), workers }
`);

export const COUNTS = script(`${PRELUDE}
return { call('SCARD', P .. 'status:pending'), call('SCARD', P .. 'status:processing') }
`);

/**
 * ARGV: id, tenant, the last event seen or ''. Returns the state, the id of its last event, and the
 * events from the one that was seen.
 */
export const EVENTS = script(`${PRELUDE}
if not of_tenant(ARGV[1], ARGV[2]) then return false end
local job = read(ARGV[1], 'status', 'stage', 'progress', 'error', 'updatedAt', 'lastEvent')
local events = {}
if ARGV[3] ~= '' then events = call('XRANGE', P .. 'events:' .. ARGV[1], ARGV[3], '+') end
return { job, events }
`);
