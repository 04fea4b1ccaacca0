-- Notes how many chunks of a job are published. Returns whether the claim holds.
expect({
  id = is_text,
  token = is_text,
  -- Of the whole song.
  frames = is_count,
  chunks = is_count,
  chunksReady = is_count,
})
local id = args.id
local job = read(id, 'playback', 'chunksReady')
local playback = decoded(job.playback)
if why_void(id, args.token) or not playback then return reply({ holds = false }) end
even_without_memory()
playback.frames, playback.chunks = args.frames, args.chunks
local at = now()
call('HSET', job_key(id), 'playback', cjson.encode(playback), 'updatedAt', at,
  'chunksReady', math.max(tonumber(job.chunksReady) or 0, args.chunksReady))
-- However soon after another event: a player waits for it, and none may follow before the job ends.
emit(id, at)
return reply({ holds = true })
