/**
 * A queue over a redis-server of the test's own, as any number of processes would see it.
 */
import { createHash, randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Logger } from '../../src/observability/logger.js';
import { createClaims } from '../../src/queue/claims.js';
import { createDownloads } from '../../src/queue/downloads.js';
import { createDispatcher } from '../../src/queue/dispatcher.js';
import type { JobOptions } from '../../src/options.js';
import { DEFAULT_JOB_OPTIONS } from '../support/options.js';
import type { Job, JobResult } from '../../src/jobs/job.js';
import { createJobs } from '../../src/queue/jobs.js';
import type { Admission, Claim, WorkerAnnouncement, WorkerModel } from '../../src/jobs/ports.js';
import { connectQueue } from '../../src/queue/connection.js';
import { createSweeper } from '../../src/queue/sweeper.js';
import { TIMING, type Timing } from '../../src/jobs/timing.js';
import { createWorkers } from '../../src/queue/workers.js';
import { openStorage } from '../../src/storage/open.js';
import { temporaryFolder } from '../support/audio.js';
import { startRedis } from '../support/redis.js';

export const TENANT = 'everyone';
export const RUNTIME = 'cpu/2';

interface Context {
  after: (hook: () => void | Promise<void>) => void;
}
const silence = () => undefined;
export const quiet: Logger = { error: silence, warn: silence, info: silence, debug: silence };

export const model = (name: string, overrides: Partial<WorkerModel> = {}): WorkerModel => ({
  name,
  sources: ['drums', 'vocals'],
  sampleRate: 44_100,
  hash: `hash of ${name}`,
  embedded: false,
  notice: null,
  license: { name: 'MIT', grant: 'stated', source: 'a test', checked: null },
  sizeBytes: 1,
  segment: 343_980,
  minLength: 343_980,
  realtimeFactor: null,
  ...overrides,
});

export const worker = (
  id: string,
  overrides: Partial<WorkerAnnouncement> = {},
): WorkerAnnouncement => ({
  id,
  models: [model('toy')],
  defaultModel: 'toy',
  device: 'cpu',
  concurrency: 1,
  pull: null,
  active: 0,
  version: '1',
  ...overrides,
});

/** A request for a song of its own, unless `sha256` says otherwise. */
export function admission(
  overrides: Partial<Admission> & {
    sha256?: string;
    options?: Partial<JobOptions> & { model?: string };
  } = {},
): Admission {
  const { id = randomUUID(), options: given = {}, ...rest } = overrides;
  const { model = 'toy', ...options } = given;
  const { sha256 = createHash('sha256').update(id).digest('hex'), ...fields } = rest;
  return {
    id,
    tenant: TENANT,
    client: 'client',
    costSeconds: 10,
    estimatedSeconds: 10,
    requestId: 'request',
    request: {
      source: {
        kind: 'upload',
        key: `uploads/${id}`,
        name: 'song.mp3',
        sha256,
        sizeBytes: 1000,
        durationSeconds: 3,
      },
      model,
      options: {
        ...DEFAULT_JOB_OPTIONS,
        ...options,
        seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
      },
    },
    ...fields,
  };
}

export const result = (id: string = randomUUID()): JobResult => ({
  id,
  stems: {},
  processingSeconds: 1,
  realtimeFactor: 3,
  nullTestDb: null,
  track: null,
  warnings: [],
  manifest: {},
  playback: { generation: 1, sampleRate: 44_100, stems: ['mixture'], frames: 44_100, chunks: 1 },
});

export type Member = Awaited<ReturnType<QueueUnderTest['join']>>;
export type QueueUnderTest = Awaited<ReturnType<typeof startQueue>>;

export async function startQueue(
  context: Context,
  {
    timing = {},
    jobTtl = 3600,
    maxWait = 3600,
    ...redisOptions
  }: {
    timing?: Partial<Timing>;
    jobTtl?: number;
    maxWait?: number;
    tcp?: boolean;
    args?: string[];
  } = {},
) {
  const leaving: (() => Promise<void>)[] = [];
  // Before the hooks that end Redis and remove the folder.
  context.after(async () => {
    for (const leave of leaving) await leave();
  });
  const redis = await startRedis(context, redisOptions);
  const dataDir = temporaryFolder(context);
  const storage = await openStorage({ storageUrl: undefined, dataDir });

  /** What one process of the service has. */
  async function join(own: Partial<Timing> & { redisUrl?: string; redisDb?: number } = {}) {
    const { redisUrl = redis.url, redisDb = 0, ...ownTiming } = own;
    const connection = await connectQueue({ redisUrl, redisDb }, quiet);
    const dispatcher = createDispatcher(connection, quiet);
    const downloadDispatcher = createDispatcher(connection, quiet, 'downloads');
    const shared = { dispatcher, downloadDispatcher, storage, jobTtl, logger: quiet };
    const ourTiming = { ...TIMING, ...timing, ...ownTiming };
    const claims = createClaims(connection, { ...shared, timing: ourTiming });
    leaving.push(async () => {
      await dispatcher.close();
      await downloadDispatcher.close();
      await connection.close();
    });
    return {
      connection,
      dispatcher,
      downloadDispatcher,
      claims,
      downloads: createDownloads(connection, { ...shared, claims, timing: ourTiming }),
      jobs: createJobs(connection, shared),
      workers: createWorkers(connection),
      sweeper: createSweeper(connection, { ...shared, maxWait, keptMs: 0 }),
      claim: (workerId = 'worker'): Promise<Claim | undefined> => claims.claim(workerId, RUNTIME),
    };
  }

  return { redis, storage, dataDir: path.resolve(dataDir), join };
}

/** Claims that must be there. */
export async function claimed(member: Member, workerId?: string): Promise<Claim> {
  const claim = await member.claim(workerId);
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

export async function statusOf(
  { jobs }: Pick<Member, 'jobs'>,
  { id }: Pick<Job, 'id'>,
): Promise<string> {
  return (await jobs.get(id, TENANT))?.status ?? 'gone';
}
