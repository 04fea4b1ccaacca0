/**
 * What workers do with records. A claim is void as soon as the record has another token, or none.
 */
import { script } from '../../redis/connection.js';
import { PRELUDE } from './prelude.js';

/**
 * ARGV: worker, runtime, leaseMs, attempts, short jobs for each long one, milliseconds that one lane
 * may fall behind, ttl, token. Returns the number of jobs woken and, if there is one, the record, its
 * cache key, the hash of the model in it, the result that is there already, its lane and the
 * milliseconds that it has waited. The token is the caller's: a number of Redis' own would come again
 * when Redis had lost the end of its file, for a claim that its worker still believes in.
 * Third kind of answer: `again`.
 */
export const CLAIM = script(`${PRELUDE}
local worker = call('HGET', P .. 'workers', ARGV[1])
if not worker then return { 'none', 0 } end
only_with_memory()
local models = cjson.decode(worker).models
local at = now()
local woken = 0

-- The first of a lane, of those models that the worker has.
local function head(lane)
  local first
  for _, model in ipairs(models) do
    local entry = call('ZRANGE', lane_key(lane, model.name), 0, 0, 'WITHSCORES')
    if entry[1] and (not first or tonumber(entry[2]) < first.number) then
      first = { id = entry[1], number = tonumber(entry[2]), model = model }
    end
  end
  if first then first.createdAt = tonumber(read(first.id, 'createdAt')[1]) end
  return first
end

for _ = 1, 100 do
  local short, long = head('short'), head('long')
  local chosen = short or long
  if not chosen then return { 'none', woken } end
  if short and long then
    local behind = short.createdAt - long.createdAt
    local share = tonumber(ARGV[5])
    local turn = tonumber(call('GET', P .. 'turn') or '0')
    if behind > tonumber(ARGV[6]) then chosen = long
    elseif -behind > tonumber(ARGV[6]) then chosen = short
    elseif turn % (share + 1) == share then chosen = long end
  end

  local id = chosen.id
  local job = read(id, 'audio', 'options', 'tenant', 'attempts', 'status', 'startedAt',
    'lane', 'queuedAt', 'downloaded')
  local key = redis.sha1hex(table.concat(
    { job[1], job[2], chosen.model.name, chosen.model.hash, job[3], ARGV[2] }, '\\n'))
  local result = call('GET', P .. 'cache:' .. key)
  local other = call('GET', P .. 'running:' .. key)
  local lease = other and call('ZSCORE', P .. 'leases', other)
  if not result and lease and tonumber(lease) > at then
    dequeue(id)
    call('SADD', P .. 'parked:' .. key, id)
    call('HSET', job_key(id), 'cacheKey', key)
  elseif tonumber(job[4]) >= tonumber(ARGV[4]) then
    woken = woken + fail_exhausted(id, at, ARGV[7])
  else
    if short and long then call('INCR', P .. 'turn') end
    dequeue(id)
    call('ZADD', P .. 'leases', int(at + tonumber(ARGV[3])), id)
    call('HSET', job_key(id), 'token', ARGV[8], 'worker', ARGV[1], 'cacheKey', key,
      'stage', 'loading', 'progress', job[9] or '0', 'startedAt', job[6] or int(at), 'updatedAt', int(at))
    call('HINCRBY', job_key(id), 'attempts', 1)
    if job[5] ~= 'processing' then set_status(id, 'processing') end
    local json = false
    if result then
      -- It has the result from now on, so that this cannot go with another job.
      call('SADD', P .. 'result:' .. result .. ':jobs', id)
      call('HSET', job_key(id), 'resultId', result, 'resultKey', key)
      json = call('GET', P .. 'result:' .. result)
    else
      call('SET', P .. 'running:' .. key, id)
    end
    emit(id, at)
    return { 'claimed', woken, record(id), key, chosen.model.hash, json, job[7],
      at - tonumber(job[8]) }
  end
end
return { 'again', woken }
`);

export const CLAIMED = `
local id, token = ARGV[1], ARGV[2]
local function why_void()
  local job = read(id, 'token', 'status')
  if job[1] == token then return nil end
  if not job[2] or job[2] == 'cancelled' then return 'cancelled' end
  return 'lost'
end
`;

/** ARGV: id, token, leaseMs. Returns why the claim is void. */
export const RENEW = script(`${PRELUDE}${CLAIMED}
local why = why_void()
if why then return why end
even_without_memory()
call('ZADD', leases_of(id), int(now() + tonumber(ARGV[3])), id)
return false
`);

/** ARGV: id, token, stage, progress, milliseconds between events. Returns whether the claim holds. */
export const PROGRESS = script(`${PRELUDE}${CLAIMED}
if why_void() then return 0 end
even_without_memory()
local job = read(id, 'stage', 'progress', 'lastEventAt')
local at = now()
local progress = ARGV[4]
if tonumber(progress) < tonumber(job[2]) then progress = job[2] end
if job[1] == ARGV[3] and job[2] == progress then return 1 end
call('HSET', job_key(id), 'stage', ARGV[3], 'progress', progress, 'updatedAt', int(at))
if job[1] ~= ARGV[3] or at - tonumber(job[3]) >= tonumber(ARGV[5]) then emit(id, at) end
return 1
`);

/**
 * ARGV: id, token, ttl, id of the result, the result, whether equal jobs may have it. Returns how many
 * jobs it woke, or -1.
 */
export const COMPLETE = script(`${PRELUDE}${CLAIMED}
-- Done already, by a call whose answer was lost: the files are the job's, and must not be removed.
local before = read(id, 'status', 'resultId')
if before[1] == 'completed' and before[2] == ARGV[4] then return 0 end
if why_void() then return -1 end
even_without_memory()
local at = now()
local result = ARGV[4]
local job = read(id, 'cacheKey', 'resultId')
call('HSET', job_key(id), 'progress', '100', 'cached', job[2] == result and '1' or '0')
if job[2] ~= result then
  release_result(id, {})
  call('SET', P .. 'result:' .. result, ARGV[5])
  call('SADD', P .. 'result:' .. result .. ':jobs', id)
  call('HSET', job_key(id), 'resultId', result, 'resultKey', job[1])
  if ARGV[6] == '1' then call('SET', P .. 'cache:' .. job[1], result) end
end
return finish(id, 'completed', at, ARGV[3], {})
`);

/** ARGV: id, token, ttl, error. Returns how many jobs it woke, or -1. */
export const FAIL = script(`${PRELUDE}${CLAIMED}
if why_void() then return -1 end
even_without_memory()
call('HSET', job_key(id), 'error', ARGV[4])
return finish(id, 'failed', now(), ARGV[3], {})
`);

/** ARGV: id, token. Returns how many jobs need a wake-up, or -1. */
export const HAND_BACK = script(`${PRELUDE}${CLAIMED}
if why_void() then return -1 end
even_without_memory()
call('HINCRBY', job_key(id), attempts_field(id), -1)
return requeue(id, now())
`);
