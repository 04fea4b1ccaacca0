/**
 * Trying again what failed for a while.
 */

/** Wait before the next try. */
export const RETRY_MS = 2_000;
/** So many tries in a row that came to nothing are one error. */
export const MAX_TRIES = 30;

/** @throws `signal.reason` when aborted. */
export function sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
