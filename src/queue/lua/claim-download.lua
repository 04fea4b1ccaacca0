-- Gives a downloader the oldest job whose song is still behind a link. Returns its record and which
-- attempt it is.
expect({
  worker = is_text,
  token = is_text,
  leaseMs = is_count,
  maxAttempts = is_count,
  ttlMs = is_count,
})
only_with_memory()
local at = now()
for _ = 1, 100 do
  local id = first_of(P .. 'downloads')
  if not id then return reply({}) end
  local job = read(id, 'downloadAttempts', 'status', 'startedAt')
  if tonumber(job.downloadAttempts) >= args.maxAttempts then
    fail_exhausted(id, at, args.ttlMs)
  else
    dequeue(id)
    call('ZADD', leases_of(id), at + args.leaseMs, id)
    call('HSET', job_key(id), 'token', args.token, 'worker', args.worker, 'stage', 'downloading',
      'progress', 0, 'startedAt', job.startedAt or at, 'updatedAt', at)
    local attempt = call('HINCRBY', job_key(id), 'downloadAttempts', 1)
    if job.status ~= 'processing' then set_status(id, 'processing') end
    emit(id, at)
    return reply({ record = record(id), attempt = attempt })
  end
end
return reply({})
