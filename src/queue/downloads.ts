/**
 * The queue as downloaders see it.
 */
import { randomUUID } from 'node:crypto';
import { OxboardError } from '../errors.js';
import { costMs, laneOf } from '../jobs/cost.js';
import type { Dispatcher } from '../jobs/ports.js';
import type { JobRequest } from '../jobs/job.js';
import type { Claims, Downloads } from '../jobs/ports.js';
import { jobOf, type RecordReply } from '../jobs/record.js';
import type { RedisConnection } from '../redis/connection.js';
import { HAND_BACK } from './scripts/claims.js';
import { CLAIM_DOWNLOAD, DOWNLOADED } from './scripts/downloads.js';
import { MAX_ATTEMPTS, TIMING, type Timing } from '../jobs/timing.js';

export interface DownloadsDependencies {
  /** What holds for claims of every kind. */
  claims: Claims;
  /** For jobs whose song is there now, and for those that go back. */
  dispatcher: Pick<Dispatcher, 'wake'>;
  downloadDispatcher: Pick<Dispatcher, 'wake'>;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  timing?: Timing;
}

export function createDownloads(
  connection: RedisConnection,
  { claims, dispatcher, downloadDispatcher, jobTtl, timing = TIMING }: DownloadsDependencies,
): Downloads {
  return {
    renew: (claim) => claims.renew(claim),
    onRevoked: (claim, listener) => claims.onRevoked(claim, listener),
    progress: (claim, now) => claims.progress(claim, now),
    fail: (claim, failure) => claims.fail(claim, failure),

    async claim(workerId) {
      const token = randomUUID();
      const reply = (await connection.run(CLAIM_DOWNLOAD, [
        workerId,
        timing.leaseMs,
        MAX_ATTEMPTS,
        jobTtl * 1000,
        token,
      ])) as [record: RecordReply, attempt: number] | null;
      return reply ? { job: jobOf(reply[0]), token, attempt: reply[1] } : undefined;
    },

    async downloaded({ job, token }, song, { costSeconds, progress }) {
      const { source } = job.request;
      if (source.kind !== 'youtube') {
        throw new OxboardError('INTERNAL', `The song of job ${job.id} is behind no link`);
      }
      const request: JobRequest = { ...job.request, source: { ...source, ...song } };
      const reply = (await connection.run(DOWNLOADED, [
        job.id,
        token,
        JSON.stringify(request),
        song.sha256,
        laneOf(costSeconds),
        costMs(costSeconds),
        song.key,
        progress,
      ])) as number;
      void dispatcher.wake(reply);
      return reply >= 0;
    },

    async handBack({ job, token }) {
      const reply = (await connection.run(HAND_BACK, [job.id, token])) as number;
      void downloadDispatcher.wake(reply);
      return reply >= 0;
    },
  };
}
