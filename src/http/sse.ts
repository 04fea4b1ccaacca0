/**
 * Events of a job as a stream that browsers read with EventSource.
 */
import { once } from 'node:events';
import type { Request, RequestHandler, Response } from 'express';
import type { Metrics } from '../observability/metrics.js';
import { isFinished, type JobEvent } from '../jobs/job.js';
import type { Jobs } from '../jobs/ports.js';
import { contextOf } from './context.js';
import { findJob, jobNotFound } from './find-job.js';
import { lastEventId } from './last-event.js';
import type { OpenStreams } from './streams.js';
import { jobMessage } from './views.js';

/** Milliseconds after which a browser comes back when the stream breaks. */
const RETRY_MS = 2_000;

export function sendEvents({
  jobs,
  streams,
  metrics,
  heartbeatMs,
}: {
  jobs: Jobs;
  streams: OpenStreams;
  metrics: Metrics;
  heartbeatMs: number;
}): RequestHandler {
  return async (request, response) => {
    const job = await findJob(request, jobs);
    const context = contextOf(request);
    context.streaming = true;
    if (request.method === 'HEAD') {
      response.set(HEADERS).end();
      return;
    }
    const after = lastEventId(request);
    const { signal, done } = streams.add();
    const ended = AbortSignal.any([signal, context.signal]);
    try {
      const events = await jobs.events(job.id, context.tenant, { after, signal: ended });
      if (!events) throw jobNotFound();
      const iterator = events[Symbol.asyncIterator]();
      let first: IteratorResult<JobEvent> | undefined;
      if (after !== undefined && isFinished(job)) {
        first = await iterator.next();
        if (first.done) {
          // A browser that has seen the end would come back for ever; this tells it to stop.
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
  };
}

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  // Asks nginx not to keep what it gets until it is worth sending.
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
  response.write(`retry: ${String(RETRY_MS)}\n\n`);
  const heartbeat = setInterval(() => {
    // One who does not read gets nothing more into memory.
    if (!response.writableNeedDrain) response.write(': heartbeat\n\n');
  }, heartbeatMs);
  try {
    let next = first ?? (await iterator.next());
    while (!next.done) {
      const message = jobMessage(jobId, next.value);
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
