/**
 * The queue as the API sees it.
 */
import { createHash } from 'node:crypto';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import { canonicalOptions, costMs, laneOf, type Lane } from '../jobs/cost.js';
import { decodeCursor, encodeCursor } from '../jobs/cursor.js';
import { EventFeeds } from './events.js';
import type { Dispatcher } from '../jobs/ports.js';
import type { Jobs, WorkerAnnouncement } from '../jobs/ports.js';
import { downloadsOf, jobOf, type RecordReply } from '../jobs/record.js';
import type { RedisConnection } from '../redis/connection.js';
import { ADMIT, CANCEL_OR_REMOVE, COUNTS, GET, LIST, LOAD } from './scripts/jobs.js';
import { SHORT_SHARE } from '../jobs/timing.js';
import { discard } from './trash.js';

export interface JobsDependencies {
  dispatcher: Dispatcher;
  /** For jobs whose song has to be downloaded first; without it they wait for a sweep. */
  downloadDispatcher?: Pick<Dispatcher, 'wake'>;
  storage: Storage;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  logger: Logger;
}

export function createJobs(
  connection: RedisConnection,
  { dispatcher, downloadDispatcher, storage, jobTtl, logger }: JobsDependencies,
): Jobs {
  const feeds = new EventFeeds(connection, logger);
  const ttl = jobTtl * 1000;

  return {
    async admit({ id, tenant, request, costSeconds, estimatedSeconds, requestId, ...more }) {
      const { trace, callbackUrl, idempotency } = more;
      const { source } = request;
      const link = source.kind === 'youtube';
      const [outcome, record] = (await connection.run(ADMIT, [
        id,
        tenant,
        JSON.stringify(request),
        request.model,
        link ? 'downloads' : laneOf(costSeconds),
        costMs(costSeconds),
        estimatedSeconds,
        requestId,
        source.sha256 ?? '',
        canonicalOptions(request),
        link ? `${downloadsOf(id)}/` : source.key,
        idempotency ? hash(`${tenant}\n${idempotency.key}`) : '',
        idempotency?.fingerprint ?? '',
        callbackUrl ?? '',
        trace ? JSON.stringify(trace) : '',
      ])) as [outcome: string, record?: RecordReply];
      if (outcome === 'conflict') {
        throw new OxboardError(
          'IDEMPOTENCY_CONFLICT',
          'This Idempotency-Key was used with another request. Send a new key with a new request',
        );
      }
      if (!record) throw new OxboardError('INTERNAL', `There is a job ${id} already`);
      const replayed = outcome === 'replayed';
      if (!replayed) void (link ? downloadDispatcher : dispatcher)?.wake(1);
      return { job: jobOf(record), replayed };
    },

    async get(id, tenant) {
      const record = (await connection.run(GET, [id, tenant])) as RecordReply | null;
      return record ? jobOf(record) : undefined;
    },

    async list(tenant, { status, limit, cursor }) {
      const below = cursor === undefined ? '+inf' : `(${decodeCursor(cursor)}`;
      const records = (await connection.run(LIST, [
        tenant,
        status ?? 'all',
        below,
        limit + 1,
      ])) as RecordReply[];
      const page = records.slice(0, limit);
      const last = records.length > limit ? page.at(-1) : undefined;
      return { jobs: page.map(jobOf), nextCursor: last && encodeCursor(numberOf(last)) };
    },

    async cancelOrRemove(id, tenant) {
      const reply = await connection.run(CANCEL_OR_REMOVE, [id, tenant, ttl]);
      if (!reply) return undefined;
      const [outcome, woken, trash] = reply as ['cancelled' | 'removed', number, string[]];
      void dispatcher.wake(woken);
      await discard({ connection, storage, logger }, trash);
      return outcome;
    },

    async waitSeconds(costSeconds) {
      const [queued, running, runningMs, workers] = (await connection.run(LOAD, [])) as [
        [number, number, number, number],
        number,
        string,
        string[],
      ];
      const live = workers.map((text) => JSON.parse(text) as WorkerAnnouncement);
      const [shortCount, shortMs, longCount, longMs] = queued;
      const slots = live.reduce((sum, { concurrency }) => sum + concurrency, 0);
      const waiting = shortCount + longCount;
      if (waiting + running < slots) return 0;
      const ahead = aheadMs(laneOf(costSeconds), {
        short: { count: shortCount, ms: shortMs },
        long: { count: longCount, ms: longMs },
      });
      // Jobs of one worker share its device: more slots do not make it faster.
      return (ahead + Number(runningMs)) / 1000 / Math.max(1, live.length);
    },

    async counts() {
      const [pending, processing] = (await connection.run(COUNTS, [])) as [number, number];
      return { pending, processing };
    },

    events: (id, tenant, options) => feeds.listen(id, tenant, options),
  };
}

type Queued = Record<Lane, { count: number; ms: number }>;

/** Work that is taken up before a new job of the lane: all of its lane, and the share of the other. */
function aheadMs(lane: Lane, queued: Queued): number {
  const other = queued[lane === 'short' ? 'long' : 'short'];
  const share = lane === 'short' ? 1 / SHORT_SHARE : SHORT_SHARE;
  const between = Math.min(other.count, queued[lane].count * share);
  return queued[lane].ms + (other.count === 0 ? 0 : (other.ms / other.count) * between);
}

function numberOf([fields]: RecordReply): number {
  return Number(fields[fields.indexOf('number') + 1]);
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
