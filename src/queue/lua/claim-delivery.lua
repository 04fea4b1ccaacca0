-- Gives the webhook that is due first, if it is due now. Returns how many there are, and the
-- milliseconds until the first is due.
expect({ token = is_text, leaseMs = is_count })
local at = now()
local id, due_at, webhook
repeat
  id, due_at = first_of(P .. 'webhooks')
  webhook = id and decoded(read(id, 'webhook').webhook)
  if id and not webhook then call('ZREM', P .. 'webhooks', id) end
until webhook or not id
local waiting = call('ZCARD', P .. 'webhooks')
if not id then return reply({ waiting = waiting }) end
if due_at > at then return reply({ waiting = waiting, nextMs = due_at - at }) end
even_without_memory()
local next_at = at + args.leaseMs
webhook.attempts = (tonumber(webhook.attempts) or 0) + 1
webhook.lastAttemptAt = at
webhook.nextAttemptAt = next_at
call('ZADD', P .. 'webhooks', next_at, id)
call('HSET', job_key(id), 'webhook', cjson.encode(webhook), 'webhookToken', args.token)
return reply({ waiting = waiting, nextMs = 0, record = record(id) })
