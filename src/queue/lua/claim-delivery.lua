-- Gives the webhook that is due first, if it is due now. Returns how many there are, and the
-- milliseconds until the first is due.
expect({ token = is_text, leaseMs = is_count })
local at = now()
local id, due_at = first_of(P .. 'webhooks')
local waiting = call('ZCARD', P .. 'webhooks')
if not id then return reply({ waiting = waiting }) end
if due_at > at then return reply({ waiting = waiting, nextMs = due_at - at }) end
even_without_memory()
local next_at = at + args.leaseMs
local webhook = cjson.decode(read(id, 'webhook').webhook)
webhook.attempts = webhook.attempts + 1
webhook.lastAttemptAt = at
webhook.nextAttemptAt = next_at
call('ZADD', P .. 'webhooks', next_at, id)
call('HSET', job_key(id), 'webhook', cjson.encode(webhook), 'webhookToken', args.token)
return reply({ waiting = waiting, nextMs = 0, record = record(id) })
