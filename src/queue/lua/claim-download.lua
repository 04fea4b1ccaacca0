-- Gives a downloader the next job whose song is still behind a link: clients take turns. Returns its record, which
-- attempt it is, and how many jobs were ended, because they had no attempt left.
expect({
  worker = is_text,
  token = is_text,
  leaseMs = is_count,
  maxAttempts = is_count,
  maxLosses = is_count,
  ttlMs = is_count,
})
if is_paused() then return reply({ exhausted = 0 }) end
only_with_memory()
local at = now()
local exhausted = 0
for _ = 1, 100 do
  local first = head('downloads', ANY_MODEL)
  if not first then return reply({ exhausted = exhausted }) end
  local id = first.id
  take(first)
  local job = read(id, 'downloadAttempts', 'status', 'startedAt')
  if tonumber(job.downloadAttempts) >= args.maxAttempts then
    fail_exhausted(id, at, args.ttlMs, args.maxLosses)
    exhausted = exhausted + 1
  else
    end_turn(first, { ANY_MODEL })
    call('ZADD', leases_of(id), at + args.leaseMs, id)
    call('HSET', job_key(id), 'token', args.token, 'worker', args.worker, 'stage', 'downloading',
      'progress', 0, 'startedAt', job.startedAt or at, 'updatedAt', at)
    local attempt = call('HINCRBY', job_key(id), 'downloadAttempts', 1)
    if job.status ~= 'processing' then set_status(id, 'processing') end
    emit(id, at)
    return reply({ record = record(id), attempt = attempt, exhausted = exhausted })
  end
end
return reply({ exhausted = exhausted })
