import type { Request } from 'express';

/** What an id of Redis streams looks like; others are as good as none. */
const EVENT_ID = /^\d{1,20}-\d{1,20}$/;

/** The last event that the client has seen, by header or, for those that cannot set it, in the URL. */
export function lastEventId(request: Request): string | undefined {
  const given = request.get('last-event-id') ?? request.query.last_event_id;
  return typeof given === 'string' && EVENT_ID.test(given) ? given : undefined;
}
