/**
 * Removes objects of the storage that no record knows of: what a crash left behind, or a worker that
 * went on after its job was gone. One worker at a time does it, once in a while.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import type { QueueConnection } from './connection.js';
import { PREFIX } from './keys.js';
import { within } from '../lib/timeout.js';

/** Milliseconds: between two rounds of all workers together, and until a round is looked for. */
const INTERVAL = 3_600_000;
const POLL = 60_000;
/** Milliseconds that an object is left alone: its record may be on the way. */
const YOUNG = 3_600_000;
const AT_ONCE = 500;
/** Milliseconds that a round has to notice that it is to end; a storage that hangs does not let it. */
const LAST_WORDS = 2_000;

const KINDS = ['uploads', 'checkpoints', 'results'] as const;

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
    intervalMs = INTERVAL,
    youngMs = YOUNG,
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
        if (objects.size < AT_ONCE) continue;
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
      await sleep(POLL, undefined, { signal }).catch(() => undefined);
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
      if (running) await within(LAST_WORDS, running).catch(() => undefined);
    },
  };
}
