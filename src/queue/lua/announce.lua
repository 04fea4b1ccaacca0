-- Notes what a worker can do. `announcement` is JSON.
expect({ id = is_text, announcement = is_text, holdsMs = is_count, forgottenMs = is_count })
even_without_memory()
local at = now()
call('HSET', P .. 'workers', args.id, args.announcement)
call('ZADD', P .. 'workers:live', at + args.holdsMs, args.id)
call('ZADD', P .. 'workers:known', at, args.id)
call('ZREMRANGEBYSCORE', P .. 'workers:live', '-inf', at - 1)
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'workers:known', '-inf', at - args.forgottenMs)) do
  call('ZREM', P .. 'workers:known', id)
  call('HDEL', P .. 'workers', id)
end
return reply({})
