-- Puts a job of any tenant that failed back into its lane, as if it was new. Returns how many jobs need a
-- wake-up, and the lane; `refused` when the job has not failed, nothing when there is no such job.
expect({ id = is_text })
local id = args.id
if not has_record(id) then return reply({}) end
local job = read(id, 'status', 'lane', 'webhook', 'downloaded')
if job.status ~= 'failed' then return reply({ outcome = 'refused' }) end
only_with_memory()
call('ZREM', P .. 'expiry', id)
call('ZREM', P .. 'webhooks', id)
call('HDEL', job_key(id), 'error', 'finishedAt', 'startedAt', 'outage', 'losses', 'checkpoint', 'webhookToken')
call('HSET', job_key(id), 'attempts', 0, 'downloadAttempts', 0, 'progress', job.downloaded or 0)
local webhook = decoded(job.webhook)
if webhook then
  webhook.status, webhook.attempts = 'pending', 0
  for _, name in ipairs({ 'lastAttemptAt', 'nextAttemptAt', 'lastStatus', 'lastError' }) do
    webhook[name] = cjson.null
  end
  call('HSET', job_key(id), 'webhook', cjson.encode(webhook))
end
-- The end that they tell was none.
call('DEL', P .. 'events:' .. id)
set_status(id, 'pending')
return reply({ outcome = 'done', lane = job.lane, woken = requeue(id, now()) })
