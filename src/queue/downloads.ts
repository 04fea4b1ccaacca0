/**
 * The queue as the downloaders see it.
 */
import { randomUUID } from 'node:crypto';
import { OxboardError } from '../errors.js';
import { costMs, laneOf } from '../jobs/cost.js';
import type { JobRequest } from '../jobs/job.js';
import type { Claims, Dispatcher, Downloads } from '../jobs/ports.js';
import { decodeJob } from '../jobs/record.js';
import type { QueueConnection } from './connection.js';
import { countFailures, type FailureMetrics } from './failure-metrics.js';
import { MAX_ATTEMPTS, MAX_LOSSES, TIMING, type Timing } from '../jobs/timing.js';

export interface DownloadsDependencies {
  /** For what all claims have in common. */
  claims: Claims;
  /** For jobs whose song is there now. */
  dispatcher: Pick<Dispatcher, 'wake'>;
  /** For jobs that are handed back. */
  downloadDispatcher: Pick<Dispatcher, 'wake'>;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  metrics?: FailureMetrics | undefined;
  timing?: Timing;
}

export function createDownloads(
  { scripts }: QueueConnection,
  {
    claims,
    dispatcher,
    downloadDispatcher,
    jobTtl,
    metrics,
    timing = TIMING,
  }: DownloadsDependencies,
): Downloads {
  return {
    renew: (claim) => claims.renew(claim),
    onRevoked: (claim, listener) => claims.onRevoked(claim, listener),
    progress: (claim, now) => claims.progress(claim, now),
    fail: (claim, failure) => claims.fail(claim, failure),
    giveUp: (claim) => claims.giveUp(claim),

    async claim(workerId) {
      const token = randomUUID();
      const { record, attempt, exhausted } = await scripts.claimDownload({
        worker: workerId,
        token,
        leaseMs: timing.leaseMs,
        maxAttempts: MAX_ATTEMPTS,
        maxLosses: MAX_LOSSES,
        ttlMs: jobTtl * 1000,
      });
      countFailures(metrics, 'ATTEMPTS_EXHAUSTED', exhausted);
      return record && { job: decodeJob(record), token, attempt };
    },

    async downloaded({ job, token }, song, { costSeconds, progress }) {
      const { source } = job.request;
      if (source.kind === 'upload') {
        throw new OxboardError('INTERNAL', `Job ${job.id} has no link to download`);
      }
      const request: JobRequest = { ...job.request, source: { ...source, ...song } };
      const { woken } = await scripts.downloaded({
        id: job.id,
        token,
        request: JSON.stringify(request),
        audio: song.sha256,
        lane: laneOf(costSeconds),
        costMs: costMs(costSeconds),
        song: song.key,
        progress,
      });
      void dispatcher.wake(woken ?? 0);
      return woken !== undefined;
    },

    async handBack(claim, outage) {
      const held = await claims.handBack(claim, outage);
      if (held && !outage) void downloadDispatcher.wake(1);
      return held;
    },
  };
}
