/**
 * A lock between processes, also of several machines that share a folder.
 *
 * A lock is a directory with one file, whose name tells the owner. To take it, a directory that has
 * the file already is renamed to the lock's name, which the system refuses while the lock holds a
 * file. To free the lock of a dead owner, that owner's file is deleted. A process that does so late
 * deletes nothing of a new owner, because names never repeat: only one process gets the lock.
 */
import { readdir, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isProcessAlive, machineName, makeProcessFolder, makerOf } from './process-folder.js';

export interface LockOptions {
  /**
   * Milliseconds without renewal after which an owner counts as dead. Machines that share the folder
   * may differ by a few seconds in their clocks.
   */
  staleMs: number;
  /** Called once, when another process took the lock because this one stood still. */
  onLost: () => void;
}

export interface LockOwner {
  /** Undefined when it runs on another machine. */
  pid: number | undefined;
}

/** Owners' files of this process, by name. */
const own = new Set<string>();

/**
 * @param directory path of the lock, in a folder that exists.
 * @returns the lock, or the process that has it.
 */
export async function tryLock(
  directory: string,
  { staleMs, onLost }: LockOptions,
): Promise<{ release: () => Promise<void> } | LockOwner> {
  const draft = await makeProcessFolder(path.dirname(directory));
  const name = path.basename(draft);
  own.add(name);
  let taken = false;
  try {
    await writeFile(path.join(draft, name), '');
    for (;;) {
      taken = await renameTo(draft, directory);
      if (taken) return { release: renew(directory, name, staleMs, onLost) };
      const owner = await liveOwner(directory, staleMs);
      if (owner) return owner;
    }
  } finally {
    if (!taken) {
      own.delete(name);
      await rm(draft, { recursive: true, force: true });
    }
  }
}

/** Whether a process holds the lock. Frees it when its owner is dead. */
export const isLocked = async (directory: string, staleMs: number): Promise<boolean> =>
  (await liveOwner(directory, staleMs)) !== undefined;

async function renameTo(draft: string, directory: string): Promise<boolean> {
  try {
    await rename(draft, directory);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) return false;
    throw error;
  }
}

async function liveOwner(directory: string, staleMs: number): Promise<LockOwner | undefined> {
  const machine = await machineName();
  for (const name of await unlessGone(readdir(directory), [])) {
    const file = path.join(directory, name);
    const renewedAt = await unlessGone(
      stat(file).then(({ mtimeMs }) => mtimeMs),
      undefined,
    );
    if (renewedAt === undefined) continue;
    const maker = makerOf(name);
    const pid = maker?.machine === machine ? maker.pid : undefined;
    const dead = pid !== undefined && !isOwnerAlive(name, pid);
    if (!dead && Date.now() - renewedAt < staleMs) return { pid };
    await rm(file, { force: true });
  }
  return undefined;
}

/** In a container that was started anew, our own process id may be that of a killed process. */
const isOwnerAlive = (name: string, pid: number): boolean =>
  pid === process.pid ? own.has(name) : isProcessAlive(pid);

/** Keeps the lock fresh. @returns what releases it. */
function renew(
  directory: string,
  name: string,
  staleMs: number,
  onLost: () => void,
): () => Promise<void> {
  const file = path.join(directory, name);
  let renewedAt = performance.now();
  const stop = () => {
    clearInterval(timer);
    own.delete(name);
  };
  const timer = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).then(
      () => (renewedAt = performance.now()),
      (error: unknown) => {
        const isGone = codeOf(error) === 'ENOENT';
        if (!own.has(name) || (!isGone && performance.now() - renewedAt < staleMs)) return;
        stop();
        onLost();
      },
    );
  }, staleMs / 5);
  timer.unref();
  return async () => {
    stop();
    await rm(file, { force: true });
    // Fails when another process has the lock meanwhile.
    await rmdir(directory).catch(() => undefined);
  };
}

async function unlessGone<T, U>(work: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return otherwise;
    throw error;
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
