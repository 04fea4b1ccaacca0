import type { Request } from 'express';

/** The last event that the client has seen, by header or, for those that cannot set it, in the URL. */
export function lastEventId(request: Request): string | undefined {
  const given = request.get('last-event-id') ?? request.query.last_event_id;
  return typeof given === 'string' ? given : undefined;
}
