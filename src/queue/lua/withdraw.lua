-- A worker ends; what it could do is remembered.
expect({ id = is_text })
call('ZREM', P .. 'workers:live', args.id)
return reply({})
