/**
 * The queue as the API sees it.
 */
import { sha256Hex } from '../lib/hash.js';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import { canonicalOptions, costMs, laneOf, type Lane } from '../jobs/cost.js';
import { decodeCursor, encodeCursor } from '../jobs/cursor.js';
import { EventFeeds } from './events.js';
import type { Dispatcher, Jobs, WorkerAnnouncement } from '../jobs/ports.js';
import { admittedJob, decodeJob, downloadsOf, encodeJob } from '../jobs/record.js';
import type { QueueConnection } from './connection.js';
import type { Queued } from './scripts.js';
import { SHORT_SHARE } from '../jobs/timing.js';

export interface JobsDependencies {
  dispatcher: Dispatcher;
  /** For jobs whose song has to be downloaded first; without it they wait for a sweep. */
  downloadDispatcher?: Pick<Dispatcher, 'wake'>;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  logger: Logger;
}

export function createJobs(
  connection: QueueConnection,
  { dispatcher, downloadDispatcher, jobTtl, logger }: JobsDependencies,
): Jobs {
  const feeds = new EventFeeds(connection, logger);
  const { scripts } = connection;
  const ttlMs = jobTtl * 1000;

  return {
    async admit(admission) {
      const { id, tenant, request, costSeconds, idempotency } = admission;
      const { source } = request;
      const link = source.kind === 'youtube';
      const { outcome, record } = await scripts.admit({
        record: encodeJob(admittedJob(admission)),
        lane: link ? 'downloads' : laneOf(costSeconds),
        model: request.model,
        client: admission.client,
        costMs: costMs(costSeconds),
        audio: source.sha256,
        options: canonicalOptions(request),
        upload: link ? `${downloadsOf(id)}/` : source.key,
        idempotency: idempotency && {
          hash: sha256Hex(`${tenant}\n${idempotency.key}`),
          fingerprint: idempotency.fingerprint,
        },
      });
      if (outcome === 'conflict') {
        throw new OxboardError(
          'IDEMPOTENCY_CONFLICT',
          'This Idempotency-Key was used with another request. Send a new key with a new request',
        );
      }
      if (!record) throw new OxboardError('INTERNAL', `There is a job ${id} already`);
      const replayed = outcome === 'replayed';
      if (!replayed) void (link ? downloadDispatcher : dispatcher)?.wake(1);
      return { job: decodeJob(record), replayed };
    },

    async get(id, tenant) {
      const { record } = await scripts.get({ id, tenant });
      return record && decodeJob(record);
    },

    async list(tenant, { status, limit, cursor }) {
      const { records = [], nextBelow } = await scripts.list({
        tenant,
        status: status ?? 'all',
        below: cursor === undefined ? undefined : decodeCursor(cursor),
        limit,
      });
      const nextCursor = nextBelow === undefined ? undefined : encodeCursor(nextBelow);
      return { jobs: records.map(decodeJob), nextCursor };
    },

    async cancelOrRemove(id, tenant) {
      const { outcome, woken = 0 } = await scripts.cancelOrRemove({ id, tenant, ttlMs });
      void dispatcher.wake(woken);
      return outcome;
    },

    async waitSeconds(costSeconds) {
      const { short, long, running, runningMs, workers = [] } = await scripts.load({});
      const live = workers.map((text) => JSON.parse(text) as WorkerAnnouncement);
      const slots = live.reduce((sum, { concurrency }) => sum + concurrency, 0);
      if (short.count + long.count + running < slots) return 0;
      const ahead = aheadMs(laneOf(costSeconds), { short, long });
      // Jobs of one worker share its device: more slots do not make it faster.
      return (ahead + runningMs) / 1000 / Math.max(1, live.length);
    },

    async checkWrites() {
      await scripts.checkWrites({});
    },

    counts: () => scripts.counts({}),

    events: (id, tenant, options) => feeds.listen(id, tenant, options),
  };
}

/** Milliseconds of work before a new job of the lane: all of its lane, and the other lane's share. */
function aheadMs(lane: Lane, queued: Record<Lane, Queued>): number {
  const other = queued[lane === 'short' ? 'long' : 'short'];
  const share = lane === 'short' ? 1 / SHORT_SHARE : SHORT_SHARE;
  const between = Math.min(other.count, queued[lane].count * share);
  return queued[lane].ms + (other.count === 0 ? 0 : (other.ms / other.count) * between);
}
