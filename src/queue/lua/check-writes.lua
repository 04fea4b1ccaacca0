-- Changes nothing; fails when Redis refuses writes.
expect({})
only_with_memory()
return reply({})
