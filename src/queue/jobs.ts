/**
 * The queue as the API sees it.
 */
import { sha256Hex } from '../lib/hash.js';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import { canonicalOptions, costMs, laneOf, type Lane } from '../jobs/cost.js';
import { decodeCursor, encodeCursor } from '../jobs/cursor.js';
import { EventFeeds } from './events.js';
import type { Job, Place } from '../jobs/job.js';
import type { Dispatcher, Jobs, WorkerAnnouncement } from '../jobs/ports.js';
import { admittedJob, decodeJob, downloadsOf, encodeJob, readableJobs } from '../jobs/record.js';
import type { QueueConnection } from './connection.js';
import { followPlace } from './follow-place.js';
import type { Queued, QueueScripts } from './scripts.js';
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

  async function placesOf(ids: string[]): Promise<Map<string, Place>> {
    const load = await scripts.load({ ids });
    return new Map((load.places ?? []).map(({ id, ...at }) => [id, placeIn(at, load)]));
  }

  async function withPlaces(jobs: Job[]): Promise<Job[]> {
    const pending = jobs.filter(({ status }) => status === 'pending').map(({ id }) => id);
    if (pending.length === 0) return jobs;
    const places = await placesOf(pending);
    return jobs.map((job) => (places.has(job.id) ? { ...job, place: places.get(job.id) } : job));
  }

  return {
    async admit(admission) {
      const { id, tenant, request, costSeconds, idempotency } = admission;
      const { source } = request;
      const link = source.kind !== 'upload';
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
      const [job] = record ? await withPlaces([decodeJob(record)]) : [];
      return job;
    },

    async list(tenant, { status, clientReference, limit, cursor }) {
      const { records = [], nextBelow } = await scripts.list({
        tenant,
        clientReference,
        status: status ?? 'all',
        below: cursor === undefined ? undefined : decodeCursor(cursor),
        limit,
      });
      const nextCursor = nextBelow === undefined ? undefined : encodeCursor(nextBelow);
      return { jobs: await withPlaces(readableJobs(records)), nextCursor };
    },

    async cancelOrRemove(id, tenant) {
      const { outcome, woken = 0 } = await scripts.cancelOrRemove({ id, tenant, ttlMs });
      void dispatcher.wake(woken);
      return outcome;
    },

    async waitSeconds(costSeconds) {
      const load = await scripts.load({});
      const lane = laneOf(costSeconds);
      const { short, long, running } = load;
      if (short.count + long.count + running < slotsOf(load)) return 0;
      return waitOf(aheadOf(lane, load[lane].count, load).ms, load);
    },

    async checkWrites() {
      await scripts.checkWrites({});
    },

    counts: () => scripts.counts({}),

    async events(id, tenant, options) {
      const left = new AbortController();
      const signal = AbortSignal.any([options.signal, left.signal]);
      const events = await feeds.listen(id, tenant, { ...options, signal });
      // A listener that Redis does not tell the place of the job still gets its events.
      const placeNow = async () => (await placesOf([id]).catch(() => undefined))?.get(id);
      const leave = () => {
        left.abort();
      };
      return events && followPlace(events, placeNow, { signal, leave });
    },
  };
}

type Load = Awaited<ReturnType<QueueScripts['load']>>;

const workersOf = ({ workers = [] }: Load): WorkerAnnouncement[] =>
  workers.map((text) => JSON.parse(text) as WorkerAnnouncement);

const slotsOf = (load: Load): number =>
  workersOf(load).reduce((sum, { concurrency }) => sum + concurrency, 0);

/**
 * Jobs and milliseconds of work before a job: those before it in its lane, and the other lane's share.
 */
function aheadOf(lane: Lane, before: number, load: Load): { count: number; ms: number } {
  const [own, other] = [load[lane], load[lane === 'short' ? 'long' : 'short']];
  const share = lane === 'short' ? 1 / SHORT_SHARE : SHORT_SHARE;
  const between = Math.min(other.count, before * share);
  const meanMs = ({ count, ms }: Queued) => (count === 0 ? 0 : ms / count);
  return { count: before + between, ms: meanMs(own) * before + meanMs(other) * between };
}

/** Seconds. Jobs of one worker share its device: more slots do not make it faster. */
const waitOf = (aheadMs: number, load: Load): number =>
  (aheadMs + load.runningMs) / 1000 / Math.max(1, workersOf(load).length);

function placeIn(
  { lane, before }: { lane: Lane | 'downloads'; before: number },
  load: Load,
): Place {
  if (lane === 'downloads') return { position: before + 1, etaSeconds: null };
  const { count, ms } = aheadOf(lane, before, load);
  const position = Math.floor(count) + 1;
  if (load.paused) return { position, etaSeconds: null };
  const idle = load.running + count < slotsOf(load);
  return { position, etaSeconds: idle ? 0 : waitOf(ms, load) };
}
