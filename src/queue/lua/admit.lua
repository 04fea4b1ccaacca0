-- Makes the record of a job and queues it, unless its Idempotency-Key made one before.
-- `record` has the fields of the schema as text, but for the times.
local function is_record(value)
  return is_texts(value) and value.id and value.tenant and value.status and value.stage
    and value.progress and value.attempts
end
local function is_idempotency(value) return is_texts(value) and value.hash and value.fingerprint end
expect({
  record = is_record,
  lane = one_of(unpack(LANES)),
  client = is_text,
  model = is_text,
  costMs = is_count,
  audio = optional(is_text),
  options = is_text,
  upload = is_text,
  idempotency = optional(is_idempotency),
})
local id, idempotency = args.record.id, args.idempotency
if idempotency then
  local before = call('HMGET', P .. 'idempotency:' .. idempotency.hash, 'job', 'fingerprint')
  if before[1] and has_record(before[1]) then
    if before[2] ~= idempotency.fingerprint then return reply({ outcome = 'conflict' }) end
    return reply({ outcome = 'replayed', record = record(before[1]) })
  end
end
if has_record(id) then return reply({ outcome = 'exists' }) end

local at = now()
local number = call('INCR', P .. 'number')
for name, value in pairs(args.record) do call('HSET', job_key(id), name, value) end
call('HSET', job_key(id), 'number', number, 'lane', args.lane, 'model', args.model,
  'client', args.client, 'waitsSince', served_ms(),
  'costMs', args.costMs, 'audio', args.audio or '', 'options', args.options, 'upload', args.upload,
  'downloadAttempts', 0, 'createdAt', at, 'updatedAt', at, 'queuedAt', at)
add_to_lists(id, 'all')
set_status(id, 'pending')
if idempotency then
  call('HSET', job_key(id), 'idempotency', idempotency.hash)
  call('HSET', P .. 'idempotency:' .. idempotency.hash, 'job', id,
    'fingerprint', idempotency.fingerprint)
end
enqueue(id)
emit(id, at)
return reply({ outcome = 'admitted', record = record(id) })
