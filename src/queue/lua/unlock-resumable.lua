-- Gives the lock of a song that comes in parts back, unless another has it by now.
expect({ id = is_text, token = is_text })
local key = resumable_key(args.id) .. ':lock'
if call('GET', key) == args.token then call('DEL', key) end
return reply({})
