-- Returns the state of a job as an event, and the events after one that was seen.
expect({ id = is_text, tenant = is_text, after = optional(is_text) })
if not of_tenant(args.id, args.tenant) then return reply({}) end
local events = {}
if args.after then
  for _, entry in ipairs(call('XRANGE', P .. 'events:' .. args.id, args.after, '+')) do
    if entry[1] ~= args.after then
      events[#events + 1] = { id = entry[1], event = entry[2][2] }
    end
  end
end
local job = read(args.id, 'lastEvent', 'updatedAt')
return reply({
  now = { id = job.lastEvent, event = event_of(args.id, job.updatedAt) },
  events = events,
})
