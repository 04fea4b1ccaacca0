/**
 * The folder for what the service keeps, and its lock.
 */
import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { OxboardError } from '../../errors.js';
import { machineName } from '../../lib/process-folder.js';

/** Milliseconds after which a lock that nobody renews is void. */
const STALE = 10_000;
const RENEWAL = 2_000;
const POLL = 250;

/**
 * Makes the folder, and finds out whether it can be written.
 *
 * @throws OxboardError OUTPUT_UNWRITABLE
 */
export async function prepareDataDir(dataDir: string): Promise<void> {
  const trial = path.join(dataDir, `.trial-${process.pid}`);
  try {
    await mkdir(dataDir, { recursive: true });
    await writeFile(trial, '');
    await rm(trial, { force: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OxboardError(
      'OUTPUT_UNWRITABLE',
      `DATA_DIR, ${dataDir}, cannot be written: ${reason}. Make it writable, or name another one`,
    );
  }
}

interface Owner {
  pid: number;
  machine: string;
}

/**
 * Makes `folder` ours until the promise that it gives is called, or this process ends.
 *
 * @param onLost another process took it, which happens when this one stood still for long.
 * @throws OxboardError DATA_DIR_IN_USE
 */
export async function lockFolder(
  folder: string,
  onLost: (error: Error) => void,
): Promise<() => Promise<void>> {
  const lock = path.join(folder, 'serve.lock');
  const ownerFile = path.join(folder, 'serve.owner.json');
  const machine = await machineName();
  const deadline = performance.now() + STALE + RENEWAL;
  for (;;) {
    try {
      const release = await lockfile.lock(folder, {
        lockfilePath: lock,
        stale: STALE,
        update: RENEWAL,
        onCompromised: onLost,
      });
      await writeFile(ownerFile, JSON.stringify({ pid: process.pid, machine } satisfies Owner));
      return async () => {
        await rm(ownerFile, { force: true });
        // Whoever lost it has nothing to give back.
        await release().catch(() => undefined);
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
    }
    const owner = await readOwner(ownerFile);
    const here = owner?.machine === machine;
    if (here && !isAlive(owner.pid)) {
      // It was killed: there is no need to wait until its lock is stale.
      await rmdir(lock).catch(() => undefined);
      continue;
    }
    if (here || performance.now() > deadline) throw inUse(folder, here ? owner.pid : undefined);
    await sleep(POLL);
  }
}

function inUse(folder: string, pid: number | undefined): OxboardError {
  const who = pid === undefined ? '' : `, process ${pid},`;
  return new OxboardError(
    'DATA_DIR_IN_USE',
    `Another oxboard serve${who} uses ${path.dirname(folder)}. End that, choose another folder ` +
      'with DATA_DIR, or let both share a Redis with REDIS_URL',
  );
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  // In a container that was started anew, our own id may be the one that the killed process had.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
