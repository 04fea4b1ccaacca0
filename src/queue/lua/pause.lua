-- Gives out no more jobs, or gives them out again.
expect({ paused = is_flag })
if args.paused then call('SET', P .. 'paused', now(), 'NX')
else call('DEL', P .. 'paused') end
return reply({})
