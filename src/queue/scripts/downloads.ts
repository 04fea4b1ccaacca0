/**
 * What is done with jobs whose song is still behind a link. Renewals, progress and failures are those
 * of all claims.
 */
import { script } from '../../redis/connection.js';
import { CLAIMED } from './claims.js';
import { PRELUDE } from './prelude.js';

/**
 * ARGV: worker, leaseMs, attempts, ttl, token. Returns the record and which attempt it is; false when
 * nothing waits.
 */
export const CLAIM_DOWNLOAD = script(`${PRELUDE}
only_with_memory()
local at = now()
for _ = 1, 100 do
  local id = call('ZRANGE', P .. 'downloads', 0, 0)[1]
  if not id then return false end
  local job = read(id, 'downloadAttempts', 'status', 'startedAt')
  if tonumber(job[1]) >= tonumber(ARGV[3]) then
    fail_exhausted(id, at, ARGV[4])
  else
    dequeue(id)
    call('ZADD', leases_of(id), int(at + tonumber(ARGV[2])), id)
    call('HSET', job_key(id), 'token', ARGV[5], 'worker', ARGV[1], 'stage', 'downloading',
      'progress', '0', 'startedAt', job[3] or int(at), 'updatedAt', int(at))
    local attempt = call('HINCRBY', job_key(id), 'downloadAttempts', 1)
    if job[2] ~= 'processing' then set_status(id, 'processing') end
    emit(id, at)
    return { record(id), attempt }
  end
end
return false
`);

/**
 * The song is in the storage: the job goes into the lane of its model. ARGV: id, token, request, audio,
 * lane, costMs, key of the song, progress. Returns how many jobs need a wake-up, or -1.
 */
export const DOWNLOADED = script(`${PRELUDE}${CLAIMED}
-- Done already, by a call whose answer was lost: the song is the job's, and must not be removed.
if read(id, 'song')[1] == ARGV[7] then return 0 end
if why_void() then return -1 end
even_without_memory()
local at = now()
call('ZREM', leases_of(id), id)
call('HDEL', job_key(id), 'token', 'worker')
call('HSET', job_key(id), 'request', ARGV[3], 'audio', ARGV[4], 'lane', ARGV[5], 'costMs', ARGV[6],
  'song', ARGV[7], 'downloaded', ARGV[8], 'progress', ARGV[8], 'stage', 'waiting',
  'updatedAt', int(at), 'queuedAt', int(at))
enqueue(id)
emit(id, at)
return 1
`);
