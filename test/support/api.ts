/**
 * The API as it runs: over sockets, with a redis-server and a folder as storage of its own. Where a
 * job has to come to something, a worker that follows a script takes it; no engine runs.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { createApi, type Api } from '../../src/http/app.js';
import type { ApiConfig, ApiDependencies } from '../../src/http/dependencies.js';
import { createTenants } from '../../src/http/tenants.js';
import { createLogger } from '../../src/observability/logger.js';
import { createMetrics, type Metrics } from '../../src/observability/metrics.js';
import { createClaims } from '../../src/queue/claims.js';
import { createDispatcher } from '../../src/queue/dispatcher.js';
import type { JobResult, StemResult } from '../../src/jobs/job.js';
import { createAdministration } from '../../src/queue/administration.js';
import { createJobs } from '../../src/queue/jobs.js';
import type { Claim, Claims, WorkerAnnouncement, Workers } from '../../src/jobs/ports.js';
import { connectQueue } from '../../src/queue/connection.js';
import { createPostCounts } from '../../src/queue/post-counts.js';
import { createWorkers } from '../../src/queue/workers.js';
import { createResumableUploads } from '../../src/queue/resumable-uploads.js';
import { openResumableStore, openStorage, type StorageConfig } from '../../src/storage/open.js';
import type { Storage } from '../../src/storage/storage.js';
import { makeAudio, temporaryFolder } from './audio.js';
import { startRedis, type TestRedis } from './redis.js';

interface Context {
  after: (hook: () => void | Promise<void>) => void;
}

export interface TestApi {
  api: Api;
  server: Server;
  url: string;
  port: number;
  folder: string;
  redis: TestRedis;
  storage: Storage;
  workers: Workers;
  claims: Claims;
  metrics: Metrics;
  /** Lines of the log. */
  logged: () => Record<string, unknown>[];
  /** A second of stereo as a WAV file. */
  song: Buffer;
}

/** Seconds. */
export const TOKEN_TTL = 3600;

export const ANNOUNCEMENT: WorkerAnnouncement = {
  id: 'worker-1',
  models: [
    {
      name: 'htdemucs',
      sources: ['drums', 'bass', 'other', 'vocals'],
      sampleRate: 44_100,
      hash: 'a'.repeat(64),
      embedded: false,
      notice: null,
      license: { name: 'MIT', grant: 'stated', source: 'a test', checked: null },
      sizeBytes: 1000,
      segment: 343_980,
      minLength: 343_980,
      realtimeFactor: 2,
    },
  ],
  defaultModel: 'htdemucs',
  device: 'cpu',
  concurrency: 1,
  pull: null,
  active: 0,
  version: '0.0.0',
};

export async function startApi(
  context: Context,
  {
    config = {},
    worker = ANNOUNCEMENT,
    apiKeys = [],
    storage: otherStorage,
    place = {},
    beside,
    ...overrides
  }: {
    config?: Partial<ApiConfig>;
    apiKeys?: string[];
    worker?: WorkerAnnouncement | null;
    /** Instead of a folder. */
    storage?: Storage;
    /** Where the storage is, instead of a folder. */
    place?: Partial<StorageConfig>;
    /** Shares its Redis and its storage. */
    beside?: TestApi;
  } & Partial<Pick<ApiDependencies, 'pace' | 'heartbeatMs'>> = {},
): Promise<TestApi> {
  // Hooks run in the order of their making: all that needs Redis ends before it does.
  const closing: (() => unknown)[] = [];
  context.after(async () => {
    for (const close of closing) await close();
  });
  const folder = beside?.folder ?? temporaryFolder(context);
  const redis = beside?.redis ?? (await startRedis(context));
  const lines = new PassThrough().setEncoding('utf8');
  let text = '';
  lines.on('data', (chunk: string) => (text += chunk));
  const logger = createLogger({ environment: 'production', logLevel: 'debug' }, { stream: lines });
  const metrics = createMetrics();
  const connection = await connectQueue({ redisUrl: redis.url, redisDb: 0 }, logger);
  const storageConfig = { storageUrl: undefined, dataDir: folder, ...place };
  const storage = otherStorage ?? (await openStorage(storageConfig));
  const dispatcher = createDispatcher(connection, logger);
  const jobs = createJobs(connection, { dispatcher, jobTtl: 3600, logger });
  const workers = createWorkers(connection);
  const claims = createClaims(connection, { dispatcher, jobTtl: 3600, logger });
  if (worker) await workers.announce(worker);

  const api = createApi({
    config: {
      dataDir: folder,
      maxFileSize: 2_000_000,
      maxDuration: 60,
      resumableUploads: 3,
      resumableUploadBytes: 4_000_000,
      resumableUploadTtl: 3600,
      youtubeHosts: ['www.youtube.com', 'youtu.be', '127.0.0.1:1234'],
      youtubeMaxDuration: 30,
      sourceUrlHosts: undefined,
      queueWithoutWorkers: true,
      rateLimit: 1_000_000,
      rateLimitPeriod: 3600,
      refusalLimit: 1_000_000,
      adminKey: undefined,
      host: '127.0.0.1',
      allowedHosts: undefined,
      corsOrigins: [],
      trustProxy: false,
      basePath: '',
      storageDownloads: 'proxy',
      webhookSecret: undefined,
      webhookAllowPrivate: false,
      ...config,
    },
    jobs,
    administration: createAdministration(connection, { jobs, dispatcher, jobTtl: 3600 }),
    workers,
    storage,
    tenants: createTenants({ apiKeys, tokenTtl: TOKEN_TTL }),
    postCounts: createPostCounts(connection),
    resumable: {
      uploads: createResumableUploads(connection, { logger }),
      store: await openResumableStore(storageConfig, 3_600_000),
    },
    logger,
    metrics,
    version: '1.2.3',
    ...overrides,
  });
  const { server } = api;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
    // Bee-Queue does not like to be closed while it connects.
    () => dispatcher.waiting(),
    () => dispatcher.close(),
    () => connection.close(),
  );
  return {
    api,
    server,
    port,
    url: `http://127.0.0.1:${port}`,
    folder,
    redis,
    storage,
    workers,
    claims,
    metrics,
    logged: () =>
      text
        .trim()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    song: readFileSync(makeAudio(path.join(folder, 'song.wav'), '0.1*sin(440*t)|0.1*sin(441*t)')),
  };
}

/** A form with a song and fields. */
export function form(
  song: Uint8Array<ArrayBuffer> | Buffer | undefined,
  fields: Record<string, string | string[]> = {},
  name = 'song.wav',
): FormData {
  const data = new FormData();
  for (const [field, value] of Object.entries(fields))
    for (const item of [value].flat()) data.append(field, item);
  if (song) data.append('file', new Blob([new Uint8Array(song)]), name);
  return data;
}

export async function post(
  { url }: TestApi,
  body: FormData,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/api/v1/stemify`, { method: 'POST', body, headers });
}

/** Posts the song and gives the id of its job. */
export async function submit(
  api: TestApi,
  fields: Record<string, string | string[]> = {},
  name?: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await post(api, form(api.song, fields, name), headers);
  const body = (await response.json()) as { job_id: string };
  if (response.status !== 202) throw new Error(JSON.stringify(body));
  return body.job_id;
}

/** Takes the next job, as a worker would. */
export async function takeJob({ claims }: TestApi): Promise<Claim> {
  const claim = await claims.claim('worker-1', 'test');
  if (!claim) throw new Error('No job waits');
  return claim;
}

/** Completes a claimed job with stems of the given bytes. */
export async function complete(
  { claims, storage, folder }: TestApi,
  claim: Claim,
  stems: Record<string, Buffer>,
  { warnings = [] }: Partial<Pick<JobResult, 'warnings'>> = {},
): Promise<JobResult> {
  const id = randomUUID();
  const results: Record<string, StemResult> = {};
  for (const [name, bytes] of Object.entries(stems)) {
    const { format } = claim.job.request.options;
    const key = `results/${id}/${name}.${format}`;
    mkdirSync(path.join(folder, 'made'), { recursive: true });
    const file = path.join(folder, 'made', name);
    writeFileSync(file, bytes);
    await storage.putFile(key, file);
    results[name] = {
      key,
      format,
      sizeBytes: bytes.length,
      durationSeconds: 1,
      sampleRate: 44_100,
      channels: 2,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      gain: 1,
    };
  }
  const result: JobResult = {
    id,
    stems: results,
    processingSeconds: 0.5,
    realtimeFactor: 2,
    nullTestDb: -60,
    track: null,
    warnings,
    manifest: { model: claim.job.request.model },
    playback: {
      generation: 1,
      sampleRate: 44_100,
      stems: [...Object.keys(stems), 'mixture'],
      frames: 44_100,
      chunks: 1,
    },
  };
  if (!(await claims.complete(claim, result))) throw new Error('The claim is void');
  return result;
}
