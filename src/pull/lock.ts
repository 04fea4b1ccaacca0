/**
 * One pull of a model at a time in one models folder, also when several machines share it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OxboardError } from '../errors.js';
import { isLocked as isLockedFor, tryLock } from '../lib/lock.js';

/** Milliseconds after which the lock of another machine counts as given up. */
const STALE_MS = 15_000;
const POLL_MS = 500;

export interface LockOptions {
  signal: AbortSignal;
  stale?: number | undefined;
  /** Called once, when another process holds the lock. */
  onWait: () => void;
}

/**
 * Runs `work` while holding the lock `path`, which lies in a folder that exists. Waits for another
 * holder to end.
 *
 * @param work gets a signal that also ends when the lock is lost.
 * @throws OxboardError MODEL_BUSY when the lock was lost meanwhile; `signal.reason` when aborted.
 */
export async function withLock<T>(
  path: string,
  { signal, stale = STALE_MS, onWait }: LockOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const onLost = () =>
    lost.abort(
      new OxboardError(
        'MODEL_BUSY',
        'This process was held up for so long that another one may have taken over. Run the ' +
          'command again',
      ),
    );
  const release = await waitForLock(path, { staleMs: stale, onLost, signal, onWait });
  const either = AbortSignal.any([signal, lost.signal]);
  try {
    return await work(either);
  } catch (error) {
    // Whatever the work says when it is stopped.
    either.throwIfAborted();
    throw error;
  } finally {
    await release();
  }
}

/** Whether a process holds the lock. */
export const isLocked = (path: string): Promise<boolean> => isLockedFor(path, STALE_MS);

async function waitForLock(
  path: string,
  {
    signal,
    onWait,
    ...options
  }: { staleMs: number; onLost: () => void; signal: AbortSignal; onWait: () => void },
): Promise<() => Promise<void>> {
  for (let told = false; ; told = true) {
    signal.throwIfAborted();
    const attempt = await tryLock(path, options);
    if ('release' in attempt) return attempt.release;
    if (!told) onWait();
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
