/**
 * Waiting for what comes about by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds after which a test counts as hung, on whatever machine. */
export const HANG_MS = 180_000;
const POLL_MS = 20;
/** Between two requests to a service: each costs it as much as many a segment of a tiny network. */
export const REQUEST_POLL_MS = 100;

/**
 * Resolves as soon as `condition` gives something.
 *
 * @param what for the error when that takes longer than `milliseconds`.
 * @param pollMs pause between two looks.
 */
export async function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  what = String(condition),
  milliseconds = HANG_MS,
  pollMs = POLL_MS,
): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come about within ${String(milliseconds)} ms`);
    }
    await sleep(pollMs);
  }
}
