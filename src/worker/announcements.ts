/**
 * A worker's heartbeat: what it can do, told every few seconds.
 */
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { WorkerAnnouncement, Workers } from '../jobs/ports.js';

const INTERVAL_MS = 3_000;

export interface Announcements {
  /** Says so now, as something has changed, and from then on. Resolves when that was tried. */
  now(): Promise<void>;
  stop(): Promise<void>;
}

/** While Redis is away it goes on trying. */
export function createAnnouncements({
  workers,
  describe,
  logger,
  metrics,
}: {
  workers: Workers;
  describe: () => Promise<WorkerAnnouncement>;
  logger: Logger;
  metrics: Metrics;
}): Announcements {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let wanted = false;
  let reachedAt = Date.now();
  let id: string | undefined;
  let telling: Promise<void> | undefined;

  const announce = async () => {
    try {
      const worker = await describe();
      id = worker.id;
      await workers.announce(worker);
      reachedAt = Date.now();
    } catch (error) {
      logger.warn('announcement_failed', { error });
    }
    metrics.workerHeartbeatAge.set((Date.now() - reachedAt) / 1000);
  };
  // One after the other, so that an older one never comes last; many changes are one.
  const tell = async () => {
    clearTimeout(timer);
    while (wanted && !stopped) {
      wanted = false;
      await announce();
    }
    telling = undefined;
    if (!stopped) timer = setTimeout(() => void now(), INTERVAL_MS);
  };
  const now = () => {
    wanted = true;
    telling ??= tell();
    return telling;
  };

  return {
    now,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await telling;
      if (id === undefined) return;
      await workers.withdraw(id).catch((error: unknown) => {
        // It will be forgotten in a few seconds.
        logger.warn('withdrawal_failed', { error });
      });
    },
  };
}
