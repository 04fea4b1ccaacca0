-- Notes what is published of a job while it runs. What was published by a run with the same signature
-- stays; else it is removed, and the next generation begins. Returns the playback as JSON and how many
-- chunks of it are published; nothing when the claim is void.
expect({
  id = is_text,
  token = is_text,
  -- Equal where the bytes of the chunks are.
  signature = is_text,
  -- Under which a new generation is published.
  resultId = is_text,
  sampleRate = is_count,
  stems = is_texts,
})
local id = args.id
if why_void(id, args.token) then return reply({}) end
even_without_memory()
local job = read(id, 'playback', 'signature', 'chunksReady')
if decoded(job.playback) and job.signature == args.signature then
  return reply({ playback = job.playback, chunksReady = tonumber(job.chunksReady) })
end
release_playback(id)
local playback = cjson.encode({
  resultId = args.resultId,
  generation = call('HINCRBY', job_key(id), 'generation', 1),
  sampleRate = args.sampleRate,
  stems = args.stems,
  frames = cjson.null,
  chunks = cjson.null,
})
call('HSET', job_key(id), 'playback', playback, 'signature', args.signature)
call('SADD', P .. 'result:' .. args.resultId .. ':jobs', id)
emit(id, now())
return reply({ playback = playback, chunksReady = 0 })
