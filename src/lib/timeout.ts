/**
 * Waiting for work no longer than wanted. The work itself goes on, and its late failure is ignored.
 */
import pTimeout, { TimeoutError } from 'p-timeout';

export { TimeoutError };

/** Waits at most `timeoutMs` for work. @throws TimeoutError; what `work` throws. */
export const within = <T>(timeoutMs: number, work: Promise<T>): Promise<T> =>
  pTimeout(work, { milliseconds: timeoutMs, message: noAnswer(timeoutMs) });

export const noAnswer = (timeoutMs: number): string =>
  `no answer within ${timeoutMs / 1000} seconds`;

/** Waits for work until `signal` aborts. @throws `signal.reason`; what `work` throws. */
export const unlessAborted = <T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> =>
  pTimeout(work, { milliseconds: Infinity, ...(signal && { signal }) });

/**
 * Waits for work to end, however long that takes.
 *
 * @param force called when the work has not ended after `graceMs`, to end it.
 */
export async function withGrace<T>(
  graceMs: number,
  work: Promise<T>,
  force: () => void,
): Promise<T> {
  const timer = setTimeout(force, graceMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
