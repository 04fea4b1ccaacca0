-- Ends a job with its result. `shared`: equal jobs may have the result too. Returns how many jobs it
-- woke; nothing when the claim is void.
expect({
  id = is_text,
  token = is_text,
  ttlMs = is_count,
  resultId = is_text,
  result = is_text,
  warnings = is_text,
  shared = is_flag,
  -- Chunks of each stem.
  chunks = is_count,
})
local id, result = args.id, args.resultId
local job = read(id, 'status', 'resultId', 'cacheKey', 'playback')
-- Done already, by a call whose reply was lost: the files are the job's, and must not be removed.
if has_record(id) and job.status == 'completed' and job.resultId == result then return reply({ woken = 0 }) end
if why_void(id, args.token) then return reply({}) end
even_without_memory()
local cached = job.resultId == result
local making = decoded(job.playback)
-- What was published on the way belongs to the result, unless another run made that.
if making and making.resultId == result then call('HDEL', job_key(id), 'playback', 'signature')
else release_playback(id) end
call('HSET', job_key(id), 'progress', 100, 'cached', tostring(cached), 'warnings', args.warnings,
  'chunksReady', args.chunks)
if not cached then
  release_result(id)
  call('SET', P .. 'result:' .. result, args.result)
  call('SADD', P .. 'result:' .. result .. ':jobs', id)
  call('HSET', job_key(id), 'resultId', result, 'resultKey', job.cacheKey)
  if args.shared then call('SET', P .. 'cache:' .. job.cacheKey, result) end
end
return reply({ woken = finish(id, 'completed', now(), args.ttlMs) })
