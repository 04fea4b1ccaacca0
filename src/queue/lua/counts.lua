-- Returns how many jobs have not ended.
expect({})
return reply({
  pending = call('SCARD', P .. 'status:pending'),
  processing = call('SCARD', P .. 'status:processing'),
})
