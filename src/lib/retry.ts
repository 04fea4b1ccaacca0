/**
 * Trying again after errors that may pass.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Waits before each further try; when there are no more, the last error is thrown. */
  delaysMs: Iterable<number>;
  isTransient: (error: unknown) => boolean;
  /** Called before each wait. */
  onRetry?: (error: unknown) => void;
  signal: AbortSignal;
}

/**
 * Repeats work while it fails with transient errors. The result of a try counts even when `signal`
 * aborts before it is there: p-retry would discard what the queue or the storage has already accepted.
 *
 * @throws `signal.reason`; what the last try threw.
 */
export async function retry<T>(
  work: () => Promise<T>,
  { delaysMs, isTransient, onRetry, signal }: RetryOptions,
): Promise<T> {
  const delays = delaysMs[Symbol.iterator]();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      // The abort may be what made the work fail.
      signal.throwIfAborted();
      const delay = delays.next();
      if (delay.done || !isTransient(error)) throw error;
      onRetry?.(error);
      await sleep(delay.value, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** Delays without end, each twice as long as the one before, up to `longestMs`. */
export function* doublingDelays(firstMs: number, longestMs: number): Generator<number, never> {
  for (let delayMs = firstMs; ; delayMs *= 2) yield Math.min(delayMs, longestMs);
}
