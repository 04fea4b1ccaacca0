/**
 * A worker's heartbeat: what it can do, told every few seconds.
 */
import type { Logger } from '../../observability/logger.js';
import type { Metrics } from '../../observability/metrics.js';
import type { WorkerAnnouncement, Workers } from '../ports.js';

const INTERVAL_MS = 3_000;

export interface Announcements {
  /** Says so now, as something has changed. */
  now(): Promise<void>;
  stop(): Promise<void>;
}

/** Announces at once and from then on. While Redis is away it goes on trying. */
export function startAnnouncements({
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
  let reachedAt = Date.now();
  let id: string | undefined;
  let current: Promise<void> | undefined;

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
  const now = async () => {
    // One after the other: an older one must not come last.
    await current;
    if (stopped) return;
    clearTimeout(timer);
    current = announce();
    await current;
    if (!isStopped()) timer = setTimeout(() => void now(), INTERVAL_MS);
  };
  const isStopped = () => stopped;
  void now();

  return {
    now,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await current;
      if (id === undefined) return;
      await workers.withdraw(id).catch((error: unknown) => {
        // It will be forgotten in a few seconds.
        logger.warn('withdrawal_failed', { error });
      });
    },
  };
}
