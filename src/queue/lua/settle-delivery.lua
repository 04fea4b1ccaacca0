-- Notes what came of a try to deliver a webhook. Returns the state it is in now; nothing when there is
-- nothing to settle any more.
expect({
  id = is_text,
  token = is_text,
  state = one_of('pending', 'delivered', 'failed'),
  status = optional(is_count),
  error = optional(is_text),
  -- Until the next try.
  delayMs = is_count,
  -- After the end of the job; no try is later.
  forMs = is_count,
})
local id, state = args.id, args.state
local job = read(id, 'webhook', 'webhookToken', 'finishedAt')
local webhook = decoded(job.webhook)
if not webhook or webhook.status ~= 'pending' then return reply({}) end
-- A delivery that succeeded counts, even when another process has taken over meanwhile.
if job.webhookToken ~= args.token and state ~= 'delivered' then return reply({}) end
even_without_memory()
local next_at = now() + args.delayMs
if state == 'pending' and next_at > (tonumber(job.finishedAt) or 0) + args.forMs then state = 'failed' end
webhook.status = state
webhook.lastStatus = args.status or cjson.null
webhook.lastError = args.error or cjson.null
webhook.nextAttemptAt = state == 'pending' and next_at or cjson.null
if state == 'pending' then call('ZADD', P .. 'webhooks', next_at, id)
else call('ZREM', P .. 'webhooks', id) end
call('HDEL', job_key(id), 'webhookToken')
call('HSET', job_key(id), 'webhook', cjson.encode(webhook))
return reply({ state = state })
