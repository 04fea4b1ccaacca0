/**
 * Makes up for whatever was lost: workers that ended, wake-ups, records whose time is over, files
 * that nobody removed. Every process of the service has one; what they do twice does no harm.
 */
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { Storage } from '../storage/storage.js';
import type { Dispatcher } from '../jobs/ports.js';
import type { RedisConnection } from '../redis/connection.js';
import { SWEEP } from './scripts/sweeping.js';
import { MAX_ATTEMPTS } from '../jobs/timing.js';
import { emptyTrash } from './trash.js';

const INTERVAL = 2_000;
const AT_ONCE = 100;
/** Wake-ups that may wait: enough until the next sweep, and no more than are soon received. */
const WAKE_UPS_PER_SLOT = 10;

export interface Swept {
  /** Jobs whose worker was not heard of any more, for another attempt, and without one left. */
  requeued: number;
  failed: number;
  /** Jobs for a model that no worker has had for as long as a record is kept. */
  unserved: number;
  /** Records whose time was over. */
  removed: number;
  /** Jobs that wait for a worker. */
  queued: number;
}

export interface Sweeper {
  /** Once more, now. @throws OxboardError REDIS_UNAVAILABLE */
  sweep(): Promise<Swept>;
  /** Again and again, until it is stopped. */
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
  metrics?: Pick<Metrics, 'jobsTotal' | 'errorsTotal'> | undefined;
  intervalMs?: number;
  /** Seconds that a job may wait for a worker; without it, as long as a record is kept. */
  maxWait?: number;
}

export function createSweeper(
  connection: RedisConnection,
  {
    dispatcher,
    downloadDispatcher,
    storage,
    jobTtl,
    logger,
    metrics,
    intervalMs = INTERVAL,
    maxWait = jobTtl,
  }: SweeperDependencies,
): Sweeper {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function sweep(): Promise<Swept> {
    const [requeued, failed, removed, queued, slots, unserved, links, workers] =
      (await connection.run(SWEEP, [
        MAX_ATTEMPTS,
        jobTtl * 1000,
        AT_ONCE,
        maxWait * 1000,
      ])) as number[] as [number, number, number, number, number, number, number, number];
    if (requeued + failed > 0) logger.warn('workers_lost', { requeued, failed });
    if (failed > 0) {
      metrics?.jobsTotal.inc({ status: 'failed' }, failed);
      metrics?.errorsTotal.inc({ code: 'ATTEMPTS_EXHAUSTED' }, failed);
    }
    if (unserved > 0) {
      logger.warn('jobs_unserved', { unserved });
      metrics?.jobsTotal.inc({ status: 'failed' }, unserved);
      metrics?.errorsTotal.inc({ code: 'NO_WORKER' }, unserved);
    }
    if (removed > 0) logger.debug('jobs_expired', { removed });
    if (queued > 0) {
      const wanted = Math.min(queued, slots * WAKE_UPS_PER_SLOT);
      await dispatcher.wake(wanted - (await dispatcher.waiting()));
    }
    if (links > 0 && downloadDispatcher) {
      const wanted = Math.min(links, workers * WAKE_UPS_PER_SLOT);
      await downloadDispatcher.wake(wanted - (await downloadDispatcher.waiting()));
    }
    await emptyTrash({ connection, storage, logger });
    return { requeued, failed, unserved, removed, queued };
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
