/**
 * Repairs what was lost: jobs of workers that ended, jobs in no lane, wake-ups, records whose time is
 * over, files that nobody removed. Every process of the service has one; doing it twice does no harm.
 */
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import type { Dispatcher } from '../jobs/ports.js';
import type { QueueConnection } from './connection.js';
import { countFailures, type FailureMetrics } from './failure-metrics.js';
import { MAX_ATTEMPTS, MAX_LOSSES } from '../jobs/timing.js';
import { emptyTrash, KEPT_MS } from './trash.js';

const INTERVAL_MS = 2_000;
/** After a longer time without a sweep the service was down. */
const LONGEST_GAP_MS = 10_000;
/** At most so many jobs of each kind in one sweep. */
const BATCH_SIZE = 100;
/** Wake-ups that may wait: enough until the next sweep, and no more than are soon received. */
const WAKE_UPS_PER_SLOT = 10;

export interface Swept {
  /** Jobs whose worker was lost: those that get another attempt, and those without one left. */
  requeued: number;
  failed: number;
  /** Jobs that had not ended but were in no lane, and are in one again. */
  restored: number;
  /** Jobs that no worker took in time. */
  unserved: number;
  /** Records whose time was over. */
  removed: number;
  /** Jobs that wait for a worker. */
  queued: number;
}

export interface Sweeper {
  /** Sweeps now. @throws OxboardError REDIS_UNAVAILABLE */
  sweep(): Promise<Swept>;
  /** Sweeps every few seconds until `stop`. */
  start(): void;
  stop(): Promise<void>;
}

export interface SweeperDependencies {
  dispatcher: Dispatcher;
  /** For jobs whose song has to be downloaded first. */
  downloadDispatcher?: Pick<Dispatcher, 'wake' | 'waiting'>;
  storage: Storage;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  logger: Logger;
  metrics?: FailureMetrics | undefined;
  intervalMs?: number;
  /** Seconds that a job may wait for a worker; time without any worker does not count. */
  maxWait: number;
  /** For how long files are kept that no record needs any more. */
  keptMs?: number;
}

export function createSweeper(
  connection: QueueConnection,
  {
    dispatcher,
    downloadDispatcher,
    storage,
    jobTtl,
    logger,
    metrics,
    intervalMs = INTERVAL_MS,
    maxWait,
    keptMs = KEPT_MS,
  }: SweeperDependencies,
): Sweeper {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function sweep(): Promise<Swept> {
    const swept = await connection.scripts.sweep({
      maxAttempts: MAX_ATTEMPTS,
      maxLosses: MAX_LOSSES,
      ttlMs: jobTtl * 1000,
      maxWaitMs: maxWait * 1000,
      gapMs: LONGEST_GAP_MS,
      keptMs,
      limit: BATCH_SIZE,
    });
    const { requeued, failed, restored, unserved, removed, queued } = swept;
    if (requeued + failed > 0) logger.warn('workers_lost', { requeued, failed });
    countFailures(metrics, 'ATTEMPTS_EXHAUSTED', failed);
    if (unserved > 0) logger.warn('jobs_unserved', { unserved });
    countFailures(metrics, 'NO_WORKER', unserved);
    if (restored > 0) logger.warn('jobs_restored', { restored });
    if (removed > 0) logger.debug('jobs_expired', { removed });
    if (queued > 0) {
      const wanted = Math.min(queued, swept.slots * WAKE_UPS_PER_SLOT);
      await dispatcher.wake(wanted - (await dispatcher.waiting()));
    }
    if (swept.downloads > 0 && downloadDispatcher) {
      const wanted = Math.min(swept.downloads, swept.workers * WAKE_UPS_PER_SLOT);
      await downloadDispatcher.wake(wanted - (await downloadDispatcher.waiting()));
    }
    await emptyTrash({ connection, storage, logger }, swept.trash ?? []);
    return { requeued, failed, restored, unserved, removed, queued };
  }

  async function run(): Promise<void> {
    try {
      await sweep();
    } catch (error) {
      logger.debug('sweep_failed', { error });
    }
  }

  function next(): void {
    timer = setTimeout(() => {
      running = run().finally(() => {
        if (timer) next();
      });
    }, intervalMs);
  }

  return {
    sweep,
    start() {
      if (!timer) next();
    },
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await running;
    },
  };
}
