import { script } from '../../redis/connection.js';
import { PRELUDE } from './prelude.js';

/**
 * ARGV: attempts, ttl, at most so many of each, the longest wait. Returns how many jobs were requeued,
 * failed and removed, how many wait, slots of live workers, how many had waited too long, how many
 * wait for their download, and live workers.
 */
export const SWEEP = script(`${PRELUDE}
local at = now()
local requeued, failed, removed = 0, 0, 0
for _, leases in ipairs({ P .. 'leases', P .. 'leases:downloads' }) do
  for _, id in ipairs(call('ZRANGEBYSCORE', leases, '-inf', int(at), 'LIMIT', 0, ARGV[3])) do
    even_without_memory()
    revoke(id, 'lost')
    if tonumber(read(id, attempts_field(id))[1]) >= tonumber(ARGV[1]) then
      fail_exhausted(id, at, ARGV[2])
      failed = failed + 1
    else
      requeue(id, at)
      requeued = requeued + 1
    end
  end
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'expiry', '-inf', int(at), 'LIMIT', 0, ARGV[3])) do
  even_without_memory()
  remove(id, {})
  removed = removed + 1
end
local unserved = 0
local function fail_unserved_of(lane)
  for _, id in ipairs(call('ZRANGE', lane, 0, tonumber(ARGV[3]) - 1)) do
    if at - tonumber(read(id, 'queuedAt')[1]) < tonumber(ARGV[4]) then break end
    even_without_memory()
    fail_unserved(id, at, ARGV[2])
    unserved = unserved + 1
  end
end
for _, model in ipairs(call('SMEMBERS', P .. 'queued:models')) do
  for _, lane in ipairs({ 'short', 'long' }) do fail_unserved_of(lane_key(lane, model)) end
end
fail_unserved_of(P .. 'downloads')
local queued = call('HMGET', P .. 'queued', 'short:count', 'long:count')
local slots = 0
local workers = call('ZRANGEBYSCORE', P .. 'workers:live', int(at), '+inf')
for _, id in ipairs(workers) do
  slots = slots + cjson.decode(call('HGET', P .. 'workers', id)).concurrency
end
local waiting = tonumber(queued[1] or '0') + tonumber(queued[2] or '0')
return { requeued, failed, removed, waiting, slots, unserved, call('ZCARD', P .. 'downloads'),
  #workers }
`);

/** ARGV: kind (`uploads`, `checkpoints`, `results`), ids. Returns those that no record needs. */
export const ORPHANS = script(`${PRELUDE}
local orphans = {}
for at = 2, #ARGV do
  local needed
  if ARGV[1] == 'results' then needed = call('EXISTS', P .. 'result:' .. ARGV[at]) == 1
  else
    local status = read(ARGV[at], 'status')[1]
    needed = status == 'pending' or status == 'processing'
  end
  if not needed then orphans[#orphans + 1] = ARGV[at] end
end
return orphans
`);

/**
 * Returns each lane with how many wait and for how long the first has, the live workers, and how many
 * jobs wait for their download.
 */
export const OBSERVE = script(`${PRELUDE}
local at = now()
local models = call('SMEMBERS', P .. 'queued:models')
local lanes = {}
for place, lane in ipairs({ 'short', 'long' }) do
  local oldest = at
  for _, model in ipairs(models) do
    local first = call('ZRANGE', lane_key(lane, model), 0, 0)[1]
    if first then oldest = math.min(oldest, tonumber(read(first, 'queuedAt')[1])) end
  end
  local count = tonumber(call('HGET', P .. 'queued', lane .. ':count') or '0')
  lanes[place] = { lane, count, at - oldest }
end
return { lanes, call('ZCOUNT', P .. 'workers:live', int(at), '+inf'), call('ZCARD', P .. 'downloads') }
`);
