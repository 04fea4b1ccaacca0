/**
 * Progress of a job: server-sent events for EventSource, and the same messages by WebSocket.
 */
import { once } from 'node:events';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { ZodOpenApiMediaTypeObject } from 'zod-openapi';
import { isFinished, type JobEvent } from '../../jobs/job.js';
import { findJob, ofJob } from '../find-job.js';
import { encodeMessage, jobMessage, type JobMessage } from '../job-document.js';
import { jobCompleted, jobProgress } from '../job-examples.js';
import { lastEventId, listenerHeaders, listenerQuery, openEvents } from '../job-listeners.js';
import { defineRoute } from '../route.js';
import { acceptSocket } from '../websocket.js';

/** Time after which a browser reconnects when the stream breaks. */
const RETRY_MS = 2_000;

/** OpenAPI 3.1 has no words for a stream of events: each event is an element of an array. */
const eventStream = (...messages: JobMessage[]): ZodOpenApiMediaTypeObject => ({
  schema: z.array(
    z
      .object({
        id: z.string().meta({ description: 'The `id` of the message.' }),
        event: jobMessage.shape.event,
        data: z.string().meta({
          description: 'A JobMessage as JSON, in one line.',
          override: ({ jsonSchema }: { jsonSchema: object }) => {
            Object.assign(jsonSchema, {
              contentMediaType: 'application/json',
              contentSchema: { $ref: '#/components/schemas/JobMessage' },
            });
          },
        }),
      })
      .meta({ id: 'JobServerSentEvent' }),
  ),
  example: messages.map((message) => ({
    id: message.id,
    event: message.event,
    data: JSON.stringify(message),
  })),
});

const watchJob = defineRoute({
  method: 'get',
  url: '/jobs/:id/events',
  access: 'token',
  tag: 'Jobs',
  operationId: 'watchJob',
  summary: 'Follow a job by server-sent events.',
  description:
    'The first event is the current state of the job, or the one after Last-Event-ID. The stream ' +
    'ends when the job has ended. Its events are `progress`, `completed`, `failed` and ' +
    '`cancelled`; the data of each is a JobMessage. Lines that begin with a colon keep the ' +
    'connection open and can be ignored. The first of them, `: keep-alive N`, says that at least ' +
    'every N milliseconds something comes.',
  ...ofJob,
  query: listenerQuery,
  headers: listenerHeaders,
  responses: {
    '200': {
      description: 'A stream of events, each with the fields `id`, `event` and `data`.',
      content: { 'text/event-stream': eventStream(jobProgress, jobCompleted) },
    },
    '204': { description: 'The client has already received the last event of the job.' },
  },
  errors: ['JOB_NOT_FOUND', 'REDIS_UNAVAILABLE'],
  handler:
    ({ jobs, streams, metrics, heartbeatMs }) =>
    async ({ request, response, context, path, query, headers }) => {
      const job = await findJob(path.id, context, jobs);
      context.streaming = true;
      if (request.method === 'HEAD') {
        response.set(HEADERS).end();
        return;
      }
      const after = lastEventId(headers, query);
      const { signal, done } = streams.add();
      const ended = AbortSignal.any([signal, context.signal]);
      try {
        const events = await openEvents(jobs, job.id, context, { after, signal: ended });
        const iterator = events[Symbol.asyncIterator]();
        let first: IteratorResult<JobEvent> | undefined;
        if (after !== undefined && isFinished(job)) {
          first = await iterator.next();
          if (first.done) {
            // A browser that has seen the end would reconnect for ever; 204 tells it to stop.
            response.status(204).end();
            return;
          }
        }
        metrics.listeners.inc({ transport: 'sse' });
        try {
          await stream(request, response, { jobId: job.id, iterator, first, ended, heartbeatMs });
        } finally {
          metrics.listeners.dec({ transport: 'sse' });
        }
      } catch (error) {
        if (!ended.aborted) throw error;
        response.end();
      } finally {
        done();
      }
    },
});

const watchJobBySocket = defineRoute({
  method: 'get',
  url: '/jobs/:id/ws',
  access: 'token',
  tag: 'Jobs',
  operationId: 'watchJobBySocket',
  summary: 'Follow a job by WebSocket.',
  description:
    'The messages are those of the server-sent events, as JSON. The socket is closed with 1000 ' +
    'after the last message, with 1001 when the service stops and with 1013 after an error. ' +
    'Nothing is read from clients. Browsers can connect from pages of API_CORS_ORIGINS and of ' +
    'the service itself.',
  ...ofJob,
  query: listenerQuery,
  headers: listenerHeaders,
  responses: {
    '101': {
      description: 'Each message is a JobMessage.',
      content: { 'application/json': { schema: jobMessage, example: jobProgress } },
    },
  },
  errors: ['JOB_NOT_FOUND', 'ORIGIN_NOT_ALLOWED', 'UPGRADE_REQUIRED', 'REDIS_UNAVAILABLE'],
  handler: acceptSocket,
});

export const eventRoutes = [watchJob, watchJobBySocket];

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  // Asks nginx to pass on everything at once.
  'X-Accel-Buffering': 'no',
};

async function stream(
  request: Request,
  response: Response,
  {
    jobId,
    iterator,
    first,
    ended,
    heartbeatMs,
  }: {
    jobId: string;
    iterator: AsyncIterator<JobEvent>;
    first: IteratorResult<JobEvent> | undefined;
    ended: AbortSignal;
    heartbeatMs: number;
  },
): Promise<void> {
  request.socket.setNoDelay(true);
  response.set(HEADERS);
  response.write(`retry: ${String(RETRY_MS)}\n: keep-alive ${String(heartbeatMs)}\n\n`);
  const heartbeat = setInterval(() => {
    // Nothing more is buffered for a client that does not read.
    if (!response.writableNeedDrain) response.write(': heartbeat\n\n');
  }, heartbeatMs);
  try {
    let next = first ?? (await iterator.next());
    while (!next.done) {
      const message = encodeMessage(jobId, next.value);
      const text =
        `id: ${message.id}\nevent: ${message.event}\n` + `data: ${JSON.stringify(message)}\n\n`;
      if (!response.write(text)) await once(response, 'drain', { signal: ended });
      if (isFinished(next.value)) break;
      next = await iterator.next();
    }
  } finally {
    clearInterval(heartbeat);
    await iterator.return?.();
  }
  response.end();
}
