-- Forgets a song that came in parts; its bytes go with the trash.
expect({ id = is_text })
even_without_memory()
if call('EXISTS', resumable_key(args.id)) == 1 then remove_resumable(args.id) end
return reply({})
