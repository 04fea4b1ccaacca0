/**
 * DATA_DIR, the folder for what the service keeps: whether it can be written, and its lock.
 */
import { mkdir, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OxboardError } from '../../errors.js';
import { displayPath } from '../../lib/display-path.js';
import { tryLock } from '../../lib/lock.js';
import { makeProcessFolder } from '../../lib/process-folder.js';

/** After this time without renewal, the lock of another machine is free. */
const LOCK_STALE_MS = 10_000;
const LOCK_WAIT_MS = LOCK_STALE_MS + 2_000;
const POLL_MS = 250;

/**
 * Makes the folder, and checks that it can be written.
 *
 * @throws OxboardError OUTPUT_UNWRITABLE
 */
export async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await rmdir(await makeProcessFolder(dataDir));
  } catch (error) {
    const denied = await explainDenied(error);
    const reason = denied instanceof Error ? denied.message : String(denied);
    throw new OxboardError(
      'OUTPUT_UNWRITABLE',
      `DATA_DIR, ${displayPath(dataDir)}, cannot be written: ${reason}, or choose another folder`,
      { cause: error },
    );
  }
}

/**
 * Turns an error about permissions, of a start, into one sentence that names the place and both
 * users: folders that are mounted into a container often belong to another user. Others pass unchanged.
 */
export async function explainDenied(error: unknown): Promise<unknown> {
  const { cause } = error as Error;
  const { code = '', path: denied } = (
    cause instanceof Error ? cause : error
  ) as NodeJS.ErrnoException;
  const user = process.getuid?.();
  if (!['EACCES', 'EPERM'].includes(code) || denied === undefined || user === undefined)
    return error;
  const place = await nearestExisting(denied);
  const { uid } = await stat(place);
  const name = displayPath(place);
  return new OxboardError(
    'OUTPUT_UNWRITABLE',
    uid === user
      ? `This user (${user}) may not write to ${name}. Change its permissions`
      : `${name} belongs to user ${uid}, but the service runs as user ${user}. Change the owner ` +
          `(chown -R ${user} ${name})`,
    { cause: error },
  );
}

/** The folder itself, or the nearest of its parents that exists. */
export async function nearestExisting(folder: string): Promise<string> {
  const parent = path.dirname(folder);
  const status = await stat(folder).catch(() => undefined);
  return status || parent === folder ? folder : nearestExisting(parent);
}

/**
 * Keeps other services away from `folder`, a folder in DATA_DIR, until the returned function is
 * called or this process ends.
 *
 * @param onLost another process took the lock because this one stood still.
 * @throws OxboardError DATA_DIR_IN_USE
 */
export async function lockFolder(
  folder: string,
  onLost: (error: OxboardError) => void,
): Promise<() => Promise<void>> {
  const options = { staleMs: LOCK_STALE_MS, onLost: () => onLost(inUse(folder, undefined)) };
  const deadline = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    const attempt = await tryLock(path.join(folder, 'serve.lock'), options);
    if ('release' in attempt) return attempt.release;
    // An owner on another machine may be dead; the time tells.
    if (attempt.pid !== undefined || performance.now() > deadline) {
      throw inUse(folder, attempt.pid);
    }
    await sleep(POLL_MS);
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
