-- The song of a job is in the storage, under the key `song`: the job goes into the lane of its model.
-- Returns how many jobs need a wake-up; nothing when the claim is void.
expect({
  id = is_text,
  token = is_text,
  request = is_text,
  audio = is_text,
  lane = one_of('short', 'long'),
  costMs = is_count,
  song = is_text,
  progress = is_percent,
})
local id = args.id
-- Done already, by a call whose reply was lost: the song is the job's, and must not be removed.
if read(id, 'song').song == args.song then return reply({ woken = 0 }) end
if why_void(id, args.token) then return reply({}) end
even_without_memory()
local at = now()
call('ZREM', leases_of(id), id)
call('HDEL', job_key(id), 'token', 'worker', 'losses')
call('HSET', job_key(id), 'request', args.request, 'audio', args.audio, 'lane', args.lane,
  'costMs', args.costMs, 'song', args.song, 'downloaded', args.progress, 'progress', args.progress,
  'stage', 'waiting', 'updatedAt', at, 'queuedAt', at, 'waitsSince', served_ms())
enqueue(id)
emit(id, at)
return reply({ woken = 1 })
