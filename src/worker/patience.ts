/**
 * Trying again, later and later.
 */
import { setTimeout } from 'node:timers/promises';
import { OxboardError } from '../errors.js';

/** Milliseconds before another try, from the first to the last. */
export type Patience = readonly number[];

/**
 * Repeats work that failed by something that may pass.
 *
 * @param onRetry told before each wait.
 * @throws what the last try threw; `signal.reason`.
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  {
    patience,
    mayPass,
    onRetry,
    signal,
  }: {
    patience: Patience;
    mayPass: (error: unknown) => boolean;
    onRetry: (error: unknown) => void;
    signal: AbortSignal;
  },
): Promise<T> {
  for (const delay of [...patience, undefined]) {
    try {
      return await work();
    } catch (error) {
      // Whatever the interruption made fail, it is the interruption that counts.
      signal.throwIfAborted();
      if (delay === undefined || !mayPass(error)) throw error;
      onRetry(error);
    }
    await pause(delay, signal);
  }
  throw new OxboardError('INTERNAL', 'the last try neither ended nor failed');
}

const LONGEST_PAUSE_MS = 5_000;

/** Asks Redis until it answers. @throws `signal.reason`; what is not REDIS_UNAVAILABLE. */
export async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let delay = 250; ; delay = Math.min(delay * 2, LONGEST_PAUSE_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof OxboardError) || error.code !== 'REDIS_UNAVAILABLE') throw error;
    }
    await pause(delay, signal);
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}
