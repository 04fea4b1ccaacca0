/**
 * Events of a job with its place in the queue, which changes without an event of the job.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobEvent, Place } from '../jobs/job.js';

const INTERVAL_MS = 3_000;

/**
 * Adds the place to events of a pending job. When the place changes, repeats the last event, with the
 * same id.
 *
 * @param placeNow undefined for a job that is not in a lane.
 * @param leave called when the consumer leaves.
 */
export async function* followPlace(
  events: AsyncIterable<JobEvent>,
  placeNow: () => Promise<Place | undefined>,
  { signal, leave }: { signal: AbortSignal; leave: () => void },
): AsyncGenerator<JobEvent, void, undefined> {
  const iterator = events[Symbol.asyncIterator]();
  let next: ReturnType<typeof iterator.next> | undefined;
  try {
    for (;;) {
      const result = await (next ?? iterator.next());
      if (result.done) return;
      next = undefined;
      let event = result.value;
      if (event.status !== 'pending') {
        yield event;
        continue;
      }
      event = { ...event, place: await placeNow() };
      yield event;
      next = iterator.next();
      while (await isQuiet(next, signal)) {
        const place = await placeNow();
        if (!place || place.position === event.place?.position) continue;
        event = { ...event, place, at: Date.now() };
        yield event;
      }
    }
  } finally {
    leave();
  }
}

/** Waits for a while, or until the promise settles or the signal aborts; true if neither happens. */
async function isQuiet(next: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const timer = new AbortController();
  const over = () => false;
  const options = { signal: AbortSignal.any([signal, timer.signal]) };
  try {
    return await Promise.race([
      sleep(INTERVAL_MS, true, options).catch(over),
      next.then(over, over),
    ]);
  } finally {
    timer.abort();
  }
}
