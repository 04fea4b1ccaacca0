/** What a service leaves behind when all its jobs are removed. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../src/observability/logger.js';
import { connectQueue } from '../../src/queue/connection.js';
import { createJanitor } from '../../src/queue/janitor.js';
import { PREFIX } from '../../src/queue/keys.js';
import { openStorage } from '../../src/storage/open.js';
import type { Service } from './service.js';

const POLL_MS = 250;
/** For the sweeper to remove files, which it does every few seconds. */
const REMOVAL_TIMEOUT_MS = 60_000;

const QUIET: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

/**
 * Removes what the janitor would remove within an hour: objects that no record needs.
 *
 * @returns how many.
 */
export async function tidy({ redisUrl, root, storage }: Service): Promise<number> {
  const redis = await connectQueue({ redisUrl, redisDb: 0 }, QUIET);
  try {
    await redis.send(['DEL', `${PREFIX}janitor`]);
    const place = await openStorage({ storageUrl: `file://${storage}`, dataDir: root });
    const janitor = createJanitor(redis, { storage: place, logger: QUIET, youngMs: 0 });
    return (await janitor.round()) ?? 0;
  } finally {
    await redis.close();
  }
}

/** Objects in the storage; waits until there are none. */
export async function remainingObjects({ storage }: Service): Promise<string[]> {
  const deadline = performance.now() + REMOVAL_TIMEOUT_MS;
  let objects = filesBelow(storage);
  while (objects.length > 0 && performance.now() < deadline) {
    await sleep(POLL_MS);
    objects = filesBelow(storage);
  }
  return objects;
}

/** Keys in Redis that belong to single jobs. */
export async function remainingKeys({ redisUrl }: Service): Promise<string[]> {
  const redis = await connectQueue({ redisUrl, redisDb: 0 }, QUIET);
  try {
    const keys = (await redis.send(['KEYS', `${PREFIX}*`])) as string[];
    return keys
      .map((key) => key.slice(PREFIX.length))
      .filter((key) => OF_A_JOB.test(key))
      .map((key) => `The key ${key}`);
  } finally {
    await redis.close();
  }
}

/** What names a job, or would be empty without jobs. */
const OF_A_JOB =
  /^(job|result|events|running|parked|cache|idempotency|tenant|status|lane):|^(leases|leases:downloads|downloads|queued:costs|expiry|webhooks|trash)$/;

/** Of a service that has ended: unfinished work and uploads, and processes. */
export function remainingWork(service: Service): string[] {
  const folders = ['serve', 'worker'].flatMap((command) =>
    ['work', 'incoming', 'downloads'].map((name) => path.join(service.root, command, name)),
  );
  return [
    ...folders.flatMap(filesBelow),
    ...service.processes().map((pid) => `The process ${String(pid)}`),
  ];
}

function filesBelow(folder: string): string[] {
  for (;;) {
    if (!existsSync(folder)) return [];
    try {
      return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name));
    } catch (error) {
      // A folder was removed while it was read.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
