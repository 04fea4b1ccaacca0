/**
 * One pull of a model at a time in one models folder, also when several machines share it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { OxboardError } from '../errors.js';

/**
 * After so long the lock of a process that was killed is ignored. The clocks of machines that share the
 * folder may differ by a few seconds.
 */
export const STALE_MS = 15_000;

const POLL_MS = 500;

export interface LockOptions {
  signal: AbortSignal;
  staleMs?: number | undefined;
  /** Called once, when another process holds the lock. */
  onWait: () => void;
}

/**
 * Runs `work` while holding the lock `path`, which lies in a folder that exists. Waits until another
 * holder releases it.
 *
 * @param work gets a signal that also ends when the lock is lost.
 * @throws OxboardError MODEL_BUSY when the lock was lost meanwhile; `signal.reason` when aborted.
 */
export async function withLock<T>(
  path: string,
  { signal, staleMs = STALE_MS, onWait }: LockOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const onCompromised = () =>
    lost.abort(
      new OxboardError(
        'MODEL_BUSY',
        'This process was stopped for so long that another one may have taken over. Run the ' +
          'command again',
      ),
    );
  let announced = false;
  let release: (() => Promise<void>) | undefined;
  while (!release) {
    signal.throwIfAborted();
    release = await tryLock(path, staleMs, onCompromised);
    if (release) break;
    if (!announced) onWait();
    announced = true;
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  const either = AbortSignal.any([signal, lost.signal]);
  try {
    return await work(either);
  } catch (error) {
    // Whatever error the work turned the abort into.
    either.throwIfAborted();
    throw error;
  } finally {
    if (!lost.signal.aborted) await release();
  }
}

/** Tells whether a process holds the lock, or was killed holding it a moment ago. */
export const isLocked = (path: string): Promise<boolean> =>
  lockfile.check(path, { lockfilePath: path, realpath: false, stale: STALE_MS });

/** @returns undefined while another process holds it. */
async function tryLock(
  path: string,
  staleMs: number,
  onCompromised: () => void,
): Promise<(() => Promise<void>) | undefined> {
  try {
    return await lockfile.lock(path, {
      lockfilePath: path,
      realpath: false,
      stale: staleMs,
      onCompromised,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined;
    throw error;
  }
}
