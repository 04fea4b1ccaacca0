-- Notes how far the checkpoints of a job reach. If that is farther than before, earlier losses of workers
-- no longer count. Returns whether the claim holds.
expect({
  id = is_text,
  token = is_text,
  -- What the checkpoints belong to: only those of one series can be compared.
  series = is_text,
  frames = is_count,
})
local id = args.id
if why_void(id, args.token) then return reply({ holds = false }) end
even_without_memory()
local before = decoded(read(id, 'checkpoint').checkpoint)
if before and before.series == args.series and args.frames <= before.frames then
  return reply({ holds = true })
end
call('HSET', job_key(id), 'losses', 0,
  'checkpoint', cjson.encode({ series = args.series, frames = args.frames }))
return reply({ holds = true })
