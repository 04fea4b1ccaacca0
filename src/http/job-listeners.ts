/**
 * What server-sent events and WebSockets share: the events of a job for one listener, ended with all
 * others when the service stops.
 */
import { z } from 'zod';
import type { JobEvent } from '../jobs/job.js';
import type { Jobs } from '../jobs/ports.js';
import { jobNotFound } from './find-job.js';
import type { RequestContext } from './request-context.js';

/** Streams of events, and uploads, that are open. */
export class OpenStreams {
  readonly #open = new Set<AbortController>();

  /** @returns a signal that aborts when the service stops; `done` is for a stream that has ended. */
  add(): { signal: AbortSignal; done: () => void } {
    const controller = new AbortController();
    this.#open.add(controller);
    return {
      signal: controller.signal,
      done: () => {
        this.#open.delete(controller);
        // Ends what still waits for the stream's events.
        controller.abort();
      },
    };
  }

  endAll(): void {
    for (const controller of this.#open) controller.abort();
    this.#open.clear();
  }
}

export const listenerQuery = z.object({
  last_event_id: z
    .string()
    .optional()
    .meta({
      description:
        'Id of the last message that was received: the stream begins with the next one. It is the ' +
        'same as the header Last-Event-ID, for clients that cannot set headers.',
      examples: ['1718000000000-3'],
    }),
});

export const listenerHeaders = z.object({
  'Last-Event-ID': z
    .string()
    .optional()
    .meta({
      description:
        'Id of the last message that was received: the stream begins with the next one. Browsers ' +
        'send it when they reconnect.',
      examples: ['1718000000000-3'],
    }),
});

/** The last event that the client has seen. */
export const lastEventId = (
  headers: z.output<typeof listenerHeaders>,
  query: z.output<typeof listenerQuery>,
): string | undefined => headers['Last-Event-ID'] ?? query.last_event_id;

/** @throws OxboardError JOB_NOT_FOUND */
export async function openEvents(
  jobs: Jobs,
  id: string,
  { tenant }: RequestContext,
  options: { after: string | undefined; signal: AbortSignal },
): Promise<AsyncIterable<JobEvent>> {
  const events = await jobs.events(id, tenant, options);
  if (!events) throw jobNotFound();
  return events;
}
