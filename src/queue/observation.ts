/**
 * The queue in figures, for the metrics of a process.
 */
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { QueueConnection } from './connection.js';

const INTERVAL_MS = 5_000;

/** Measures every few seconds until it is stopped, and whether Redis answers. */
export function observeQueue(
  connection: QueueConnection,
  metrics: Pick<
    Metrics,
    'queueDepth' | 'queueOldestSeconds' | 'downloadsWaiting' | 'queuePaused' | 'workers' | 'redisUp'
  >,
  logger: Logger,
): { stop(): void } {
  async function look(): Promise<void> {
    try {
      const { short, long, workers, downloads, paused } = await connection.scripts.observe({});
      for (const [lane, { count, oldestMs }] of Object.entries({ short, long })) {
        metrics.queueDepth.set({ lane }, count);
        metrics.queueOldestSeconds.set({ lane }, oldestMs / 1000);
      }
      metrics.downloadsWaiting.set(downloads.count);
      metrics.queuePaused.set(paused ? 1 : 0);
      metrics.workers.set(workers);
      metrics.redisUp.set(1);
    } catch (error) {
      metrics.redisUp.set(0);
      logger.debug('queue_not_observed', { error });
    }
  }

  void look();
  const timer = setInterval(() => void look(), INTERVAL_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
