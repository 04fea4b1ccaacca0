-- Notes how far a job is; progress never goes back. Returns whether the claim holds.
expect({
  id = is_text,
  token = is_text,
  stage = is_text,
  progress = is_percent,
  -- Least time between two events in one stage.
  eventMs = is_count,
})
local id = args.id
if why_void(id, args.token) then return reply({ holds = false }) end
even_without_memory()
local job = read(id, 'stage', 'progress', 'lastEventAt')
local at = now()
local before = tonumber(job.progress)
local progress = math.max(before, args.progress)
local same_stage = job.stage == args.stage
if same_stage and progress == before then return reply({ holds = true }) end
call('HSET', job_key(id), 'stage', args.stage, 'progress', progress, 'updatedAt', at)
if not same_stage or at - (tonumber(job.lastEventAt) or 0) >= args.eventMs then emit(id, at) end
return reply({ holds = true })
