/**
 * What is done to tell the ends of jobs. That a delivery is due is written with the end itself; see
 * `finish` of the prelude.
 */
import { script } from '../../redis/connection.js';
import { PRELUDE } from './prelude.js';

/**
 * ARGV: token, leaseMs. Returns how many deliveries there are, milliseconds until the next one is due
 * (-1: there is none) and, if one is due now, its record.
 */
export const CLAIM_DELIVERY = script(`${PRELUDE}
local at = now()
local waiting = call('ZCARD', P .. 'webhooks')
local first = call('ZRANGE', P .. 'webhooks', 0, 0, 'WITHSCORES')
if not first[1] then return { waiting, -1 } end
if tonumber(first[2]) > at then return { waiting, tonumber(first[2]) - at } end
even_without_memory()
local id = first[1]
call('ZADD', P .. 'webhooks', int(at + tonumber(ARGV[2])), id)
call('HINCRBY', job_key(id), 'webhookAttempts', 1)
call('HSET', job_key(id), 'webhookToken', ARGV[1], 'webhookLastAt', int(at),
  'webhookNextAt', int(at + tonumber(ARGV[2])))
return { waiting, 0, record(id) }
`);

/**
 * ARGV: id, token, state, status or '', error or '', milliseconds until the next try, milliseconds
 * after the end of the job for which it is tried. Returns the state that it came to; false when there
 * is nothing to settle any more.
 */
export const SETTLE_DELIVERY = script(`${PRELUDE}
local id, state = ARGV[1], ARGV[3]
local job = read(id, 'webhookToken', 'webhookStatus', 'finishedAt')
if job[2] ~= 'pending' then return false end
-- Whoever was told, was told, also by one that was taken for dead.
if job[1] ~= ARGV[2] and state ~= 'delivered' then return false end
even_without_memory()
local next_at = now() + tonumber(ARGV[6])
if state == 'pending' and next_at > tonumber(job[3]) + tonumber(ARGV[7]) then state = 'failed' end
call('HDEL', job_key(id), 'webhookToken', 'webhookNextAt', 'webhookLastStatus', 'webhookLastError')
call('HSET', job_key(id), 'webhookStatus', state)
if ARGV[4] ~= '' then call('HSET', job_key(id), 'webhookLastStatus', ARGV[4]) end
if ARGV[5] ~= '' then call('HSET', job_key(id), 'webhookLastError', ARGV[5]) end
if state == 'pending' then
  call('ZADD', P .. 'webhooks', int(next_at), id)
  call('HSET', job_key(id), 'webhookNextAt', int(next_at))
else
  call('ZREM', P .. 'webhooks', id)
end
return state
`);
