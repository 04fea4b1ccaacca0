/**
 * Removes objects from the storage that no record needs: those that a crash left behind, or a worker
 * that went on after its job was gone. One worker at a time does it, once an hour.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import type { QueueConnection } from './connection.js';
import { PREFIX } from './keys.js';
import { within } from '../lib/timeout.js';

/** Between two rounds, whichever worker does them. */
const INTERVAL_MS = 3_600_000;
const POLL_MS = 60_000;
/** Younger objects stay: their record may not be written yet. */
const YOUNG_MS = 3_600_000;
const BATCH_SIZE = 500;
/** For a round to notice that it has to stop; a storage that hangs prevents that. */
const STOP_TIMEOUT_MS = 2_000;

const KINDS = ['uploads', 'resumable', 'checkpoints', 'results'] as const;

export interface Janitor {
  /**
   * A round, unless another was begun within the interval.
   *
   * @returns how many objects it removed; undefined when it was not the time.
   * @throws OxboardError REDIS_UNAVAILABLE, STORAGE_UNAVAILABLE
   */
  round(): Promise<number | undefined>;
  start(): void;
  stop(): Promise<void>;
}

export function createJanitor(
  connection: QueueConnection,
  {
    storage,
    logger,
    intervalMs = INTERVAL_MS,
    youngMs = YOUNG_MS,
  }: { storage: Storage; logger: Logger; intervalMs?: number; youngMs?: number },
): Janitor {
  let stopping: AbortController | undefined;
  let running: Promise<void> | undefined;

  async function removeOrphans(kind: string, objects: ReadonlyMap<string, string[]>) {
    const ids = [...objects.keys()];
    const { ids: orphans = [] } = await connection.scripts.orphans({ kind, ids });
    const keys = orphans.flatMap((id) => objects.get(id) ?? []);
    for (const key of keys) await storage.remove(key);
    return keys.length;
  }

  async function round(): Promise<number | undefined> {
    const mine = await connection.send([
      ...['SET', `${PREFIX}janitor`, '1', 'NX', 'PX', String(intervalMs)],
    ]);
    if (mine === null) return undefined;
    let removed = 0;
    for (const kind of KINDS) {
      let objects = new Map<string, string[]>();
      for await (const { key, modifiedAt } of storage.list(`${kind}/`)) {
        if (stopping?.signal.aborted) return removed;
        if (Date.now() - modifiedAt.getTime() < youngMs) continue;
        const id = key.split('/')[1] ?? '';
        objects.set(id, [...(objects.get(id) ?? []), key]);
        if (objects.size < BATCH_SIZE) continue;
        removed += await removeOrphans(kind, objects);
        objects = new Map();
      }
      if (objects.size > 0) removed += await removeOrphans(kind, objects);
    }
    if (removed > 0) logger.info('orphans_removed', { objects: removed });
    return removed;
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await round();
      } catch (error) {
        logger.warn('janitor_failed', { error });
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    round,
    start() {
      stopping ??= new AbortController();
      running ??= run(stopping.signal);
    },
    async stop() {
      stopping?.abort();
      if (running) await within(STOP_TIMEOUT_MS, running).catch(() => undefined);
    },
  };
}
