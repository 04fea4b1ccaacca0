/**
 * The queue, the storage and workers of one service, with a redis-server of their own.
 */
import { createHash, randomUUID } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createMetrics } from '../../src/observability/metrics.js';
import { PREFIX } from '../../src/queue/keys.js';
import { createClaims } from '../../src/queue/claims.js';
import { createDispatcher } from '../../src/queue/dispatcher.js';
import type { JobOptions } from '../../src/options.js';
import { DEFAULT_JOB_OPTIONS } from './options.js';
import { isFinished, type Job, type JobEvent } from '../../src/jobs/job.js';
import { TIMING } from '../../src/jobs/timing.js';
import { createJobs } from '../../src/queue/jobs.js';
import { connectQueue } from '../../src/queue/connection.js';
import { createSweeper } from '../../src/queue/sweeper.js';
import { startWorker, type WorkerConfig } from '../../src/worker/worker.js';
import { createWorkers } from '../../src/queue/workers.js';
import { openStorage, type StorageConfig } from '../../src/storage/open.js';
import type { Storage } from '../../src/storage/storage.js';
import { temporaryFolder } from './audio.js';
import { modelsDir } from './cli.js';
import { recordingLogger } from './logs.js';
import { startRedis } from './redis.js';
import { HANG_MS, until } from './until.js';

interface Context {
  after: (hook: () => void | Promise<void>) => void;
}

const TENANT = 'all';
const JOB_TTL = 3600;
const FOLDER = { storageUrl: undefined };
/** Key of the file that ends a checkpoint. */
export const CHECKPOINT = /^checkpoints\/.*\/part\.json$/;

/** Key of the last file of the first chunks. */
export const FIRST_CHUNK = /^results\/.*\/chunks\/mixture\/0\.flac$/;

export interface WorkerSettings {
  redisUrl: string;
  dataDir: string;
  config?: Partial<WorkerConfig>;
  /** Instead of a folder in `dataDir`. */
  place?: Omit<StorageConfig, 'dataDir'>;
  /** Instead of the service's own. */
  storage?: Storage;
  /** Milliseconds without a batch after which a job is given up. */
  stallMs?: number;
}

/** A worker as its process composes it. */
export async function composeWorker(settings: WorkerSettings) {
  const { redisUrl, dataDir, config, place = FOLDER, stallMs } = settings;
  const { logger, events } = recordingLogger();
  const metrics = createMetrics({ process: 'worker' });
  const storage = settings.storage ?? (await openStorage({ ...place, dataDir }));
  const redis = await connectQueue({ redisUrl, redisDb: 0 }, logger);
  const dispatcher = createDispatcher(redis, logger);
  const timing = { ...TIMING, outageDelayMs: 200 };
  const claims = createClaims(redis, { dispatcher, jobTtl: JOB_TTL, logger, timing });
  const sweeper = createSweeper(redis, {
    dispatcher,
    storage,
    jobTtl: JOB_TTL,
    maxWait: JOB_TTL,
    logger,
    intervalMs: 250,
    keptMs: 0,
  });
  const worker = await startWorker({
    config: {
      modelsDir,
      defaultModel: 'toy',
      device: 'cpu',
      threads: 1,
      maxDuration: 60,
      dataDir,
      workerConcurrency: 2,
      autoPull: false,
      ...config,
    },
    claims,
    workers: createWorkers(redis),
    dispatcher,
    storage,
    logger,
    metrics,
    checkpointSeconds: 0.2,
    renewalMs: 250,
    retryDelaysMs: [50, 100, 200],
    ...(stallMs !== undefined && { stallLimit: () => stallMs }),
  });
  sweeper.start();
  return {
    worker,
    logged: events,
    /** Resolves when the worker has logged an event of that name. */
    async says(name: string): Promise<void> {
      await until(() => events.some(({ event }) => event === name), name);
    },
    /** A figure by its name and labels; 0 where nothing was counted. */
    async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
      const { values } = (await metrics.registry.getSingleMetric(name)?.get()) ?? { values: [] };
      return values
        .filter((value) =>
          Object.entries(labels).every(([label, text]) => value.labels[label] === text),
        )
        .reduce((sum, { value }) => sum + value, 0);
    },
    async stop(graceMs = 0): Promise<void> {
      await worker.stop({ graceMs });
      await sweeper.stop();
      await redis.close();
    },
  };
}

/** @param place instead of a folder. */
export async function startService(context: Context, place: WorkerSettings['place'] = FOLDER) {
  // Before the hooks that end Redis and remove the folder, of which nobody is to take leave any more.
  const closers: (() => Promise<void>)[] = [];
  context.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const redisServer = await startRedis(context);
  const dataDir = temporaryFolder(context);
  const settings = { redisUrl: redisServer.url, dataDir, place };
  const { logger } = recordingLogger();
  const storage = await openStorage({ ...place, dataDir });
  const redis = await connectQueue({ redisUrl: settings.redisUrl, redisDb: 0 }, logger);
  const dispatcher = createDispatcher(redis, logger);
  const jobs = createJobs(redis, { dispatcher, jobTtl: JOB_TTL, logger });
  closers.push(
    () => redis.close(),
    () => dispatcher.close(),
  );

  const events = async function* (id: string): AsyncGenerator<JobEvent> {
    const end = AbortSignal.timeout(HANG_MS);
    const stream = await jobs.events(id, TENANT, { signal: end });
    if (!stream) throw new Error(`There is no job ${id}`);
    yield* stream;
    end.throwIfAborted();
  };
  const keys = async (prefix = '') => {
    const found: string[] = [];
    for await (const { key } of storage.list(prefix)) found.push(key);
    return found;
  };
  /** Resolves when nothing is left below `prefix`: what a job leaves goes right after its end. */
  const gone = (prefix: string) =>
    until(async () => (await keys(prefix)).length === 0, `the end of all below ${prefix}`);
  return {
    ...settings,
    redisServer,
    gone,
    storage,
    jobs,
    workers: createWorkers(redis),
    events,
    keys,
    /** Resolves when a checkpoint of a job is stored. */
    checkpointed: (id: string) =>
      until(
        async () => (await keys(`checkpoints/${id}/`)).some((key) => CHECKPOINT.test(key)),
        'a checkpoint',
      ),

    async startWorker(more: Partial<WorkerSettings> = {}) {
      const worker = await composeWorker({ ...settings, ...more });
      closers.push(() => worker.stop());
      return worker;
    },

    /** @param song a local file, of which a copy is uploaded; undefined: an upload that is gone. */
    async admit(
      song: string | undefined,
      { model = 'toy', ...options }: Partial<JobOptions> & { model?: string } = {},
    ): Promise<Job> {
      const id = randomUUID();
      const key = `uploads/${id}`;
      const bytes = song ? readFileSync(song) : Buffer.from(id);
      if (song) {
        const copy = path.join(dataDir, id);
        copyFileSync(song, copy);
        await storage.putFile(key, copy);
      }
      const { job } = await jobs.admit({
        id,
        tenant: TENANT,
        client: TENANT,
        request: {
          source: {
            kind: 'upload',
            key,
            name: 'My song.mp3',
            sha256: createHash('sha256').update(bytes).digest('hex'),
            sizeBytes: bytes.length,
            durationSeconds: null,
          },
          model,
          options: { ...DEFAULT_JOB_OPTIONS, ...options, seed: options.seed ?? 1 },
        },
        costSeconds: 1,
        estimatedSeconds: 1,
        requestId: `request-of-${id}`,
      });
      return job;
    },

    /** Resolves when Redis answers again. */
    async answers(): Promise<void> {
      await until(() => jobs.counts().catch(() => undefined), 'an answer of Redis');
    },

    /** How far its checkpoints reach, as the queue was told. */
    checkpointOf: (id: string) => redis.send(['HGET', `${PREFIX}job:${id}`, 'checkpoint']),

    /** As if the whole lease of a job had passed. */
    async endLease(id: string): Promise<void> {
      await redis.send(['ZADD', `${PREFIX}leases`, 'XX', '1', id]);
    },

    cancel: (id: string) => jobs.cancelOrRemove(id, TENANT),

    /** The job as it has ended. */
    async finished(id: string): Promise<Job> {
      for await (const { status } of events(id)) if (isFinished({ status })) break;
      const job = await jobs.get(id, TENANT);
      if (!job) throw new Error(`The job ${id} was removed`);
      return job;
    },

    /** Resolves when a job has come so far. */
    async reached(id: string, enough: (event: JobEvent) => boolean | Promise<boolean>) {
      for await (const event of events(id)) if (await enough(event)) return;
      throw new Error(`The job ${id} ended before that`);
    },

    async bytes(key: string): Promise<Buffer> {
      return buffer(await storage.read(key));
    },
  };
}
