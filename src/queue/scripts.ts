/**
 * The scripts in lua/: what each takes and what it replies. Comments there say what it does.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { JobStage, JobStatus, WebhookStatus } from '../jobs/job.js';
import type { Lane } from '../jobs/cost.js';
import type {
  FailureLimit,
  PostLimits,
  ResumableLimits,
  ResumableUpload,
  Revocation,
} from '../jobs/ports.js';
import type { JobRecord } from '../jobs/record.js';
import { PREFIX } from './keys.js';

/** A job or an upload of a tenant. */
interface Owned {
  id: string;
  tenant: string;
}

/** A claim on a job, or a lock. */
interface Held {
  id: string;
  token: string;
}

/** What becomes of jobs whose workers were lost. */
interface AttemptLimits {
  maxAttempts: number;
  maxLosses: number;
  ttlMs: number;
}

/** Number of jobs that need a wake-up; absent for a void claim, which changes nothing. */
interface Settled {
  woken?: number;
}

/** An event as JSON without its id. */
export interface StoredEvent {
  id: string;
  event: string;
}

/** Jobs in a lane, and their cost. */
export interface Queued {
  count: number;
  ms: number;
}

interface ObservedLane {
  count: number;
  oldestMs: number;
}

/** Empty lists are absent in replies. */
export interface QueueScripts {
  schema(args: { key: string; version: number }): Promise<{ version: number }>;

  // What the API does with jobs.
  admit(args: {
    record: JobRecord;
    lane: Lane | 'downloads';
    model: string;
    client: string;
    costMs: number;
    audio: string | null;
    options: string;
    upload: string;
    idempotency: { hash: string; fingerprint: string } | undefined;
  }): Promise<
    | { outcome: 'admitted' | 'replayed'; record: JobRecord }
    | { outcome: 'conflict' | 'exists'; record?: never }
  >;
  get(args: Owned): Promise<{ record?: JobRecord }>;
  list(args: {
    tenant: string;
    clientReference: string | undefined;
    status: JobStatus | 'all';
    below: number | undefined;
    limit: number;
  }): Promise<{ records?: JobRecord[]; nextBelow?: number }>;
  cancelOrRemove(
    args: Owned & { ttlMs: number },
  ): Promise<{ outcome?: 'cancelled' | 'removed'; woken?: number }>;
  load(args: { ids?: string[] }): Promise<
    Record<Lane, Queued> & {
      running: number;
      runningMs: number;
      workers?: string[];
      paused: boolean;
      places?: { id: string; lane: Lane | 'downloads'; before: number }[];
    }
  >;
  checkWrites(args: object): Promise<object>;
  counts(args: object): Promise<{ pending: number; processing: number }>;
  events(
    args: Owned & { after: string | undefined },
  ): Promise<{ now?: StoredEvent; events?: StoredEvent[] }>;

  // What the operator does with the jobs of all tenants.
  cancel(args: {
    id: string;
    ttlMs: number;
  }): Promise<{ outcome?: 'done' | 'refused'; woken?: number }>;
  retry(args: {
    id: string;
  }): Promise<{ outcome?: 'done' | 'refused'; lane?: Lane | 'downloads'; woken?: number }>;
  pause(args: { paused: boolean }): Promise<object>;
  running(args: object): Promise<{ records?: JobRecord[] }>;

  // Limits of clients.
  reservePost(
    args: PostLimits & { client: string; token: string; leaseMs: number },
  ): Promise<{ full?: 'jobs' | 'refusals'; period: number; jobs: number; endsInMs: number }>;
  renewPost(args: { client: string; token: string; leaseMs: number }): Promise<object>;
  settlePost(args: {
    client: string;
    token: string;
    period: number;
    job: boolean;
    refusal: boolean;
  }): Promise<object>;
  countTry(
    args: FailureLimit & { client: string; failed: boolean },
  ): Promise<{ blockedMs?: number }>;

  // Songs that come in parts.
  beginResumable(
    args: ResumableUpload & ResumableLimits & { tenant: string; client: string },
  ): Promise<{ full?: 'open' | 'bytes' }>;
  getResumable(args: Owned): Promise<{ name?: string; sizeBytes?: number }>;
  useResumable(args: { id: string; keptMs: number }): Promise<object>;
  removeResumable(args: { id: string }): Promise<object>;
  lockResumable(args: Held & { leaseMs: number; renews: boolean }): Promise<{ held: boolean }>;
  unlockResumable(args: Held): Promise<object>;

  // What workers do with jobs.
  claim(
    args: AttemptLimits & {
      worker: string;
      runtime: string;
      token: string;
      leaseMs: number;
      shortShare: number;
      agingMs: number;
    },
  ): Promise<
    | { outcome: 'none'; woken: number; exhausted: number }
    | { outcome: 'again'; woken: number; exhausted: number }
    | {
        outcome: 'claimed';
        woken: number;
        exhausted: number;
        record: JobRecord;
        cacheKey: string;
        modelHash: string;
        result?: string;
        lane: Lane;
        waitedMs: number;
      }
  >;
  renew(args: Held & { leaseMs: number }): Promise<{ revoked?: Revocation }>;
  progress(
    args: Held & { stage: JobStage; progress: number; eventMs: number },
  ): Promise<{ holds: boolean }>;
  beginPlayback(
    args: Held & { signature: string; resultId: string; sampleRate: number; stems: string[] },
  ): Promise<{ playback: string; chunksReady: number } | { playback?: never; chunksReady?: never }>;
  publish(
    args: Held & { frames: number; chunks: number; chunksReady: number },
  ): Promise<{ holds: boolean }>;
  complete(
    args: Held & {
      ttlMs: number;
      resultId: string;
      result: string;
      warnings: string;
      shared: boolean;
      chunks: number;
    },
  ): Promise<Settled>;
  fail(args: Held & { ttlMs: number; error: string }): Promise<Settled>;
  handBack(args: Held & { outage: string | undefined; delayMs: number }): Promise<Settled>;
  giveUp(args: Held & AttemptLimits): Promise<Settled & { exhausted?: number }>;
  checkpoint(args: Held & { series: string; frames: number }): Promise<{ holds: boolean }>;

  // What downloaders do with jobs.
  claimDownload(
    args: AttemptLimits & { worker: string; token: string; leaseMs: number },
  ): Promise<
    { exhausted: number } & (
      { record: JobRecord; attempt: number } | { record?: never; attempt?: never }
    )
  >;
  downloaded(
    args: Held & {
      request: string;
      audio: string;
      lane: Lane;
      costMs: number;
      song: string;
      progress: number;
    },
  ): Promise<Settled>;

  // Webhooks.
  claimDelivery(args: {
    token: string;
    leaseMs: number;
  }): Promise<{ waiting: number; nextMs?: number; record?: JobRecord }>;
  settleDelivery(
    args: Held & {
      state: WebhookStatus;
      status: number | null;
      error: string | null;
      delayMs: number;
      forMs: number;
    },
  ): Promise<{ state?: WebhookStatus }>;

  // Maintenance.
  sweep(
    args: AttemptLimits & { maxWaitMs: number; gapMs: number; keptMs: number; limit: number },
  ): Promise<{
    requeued: number;
    failed: number;
    removed: number;
    unserved: number;
    restored: number;
    queued: number;
    downloads: number;
    slots: number;
    workers: number;
    trash?: string[];
  }>;
  orphans(args: { kind: string; ids: string[] }): Promise<{ ids?: string[] }>;
  observe(
    args: object,
  ): Promise<Record<Lane | 'downloads', ObservedLane> & { workers: number; paused: boolean }>;
  announce(args: {
    id: string;
    announcement: string;
    holdsMs: number;
    forgottenMs: number;
  }): Promise<object>;
  withdraw(args: { id: string }): Promise<object>;
  workers(
    args: object,
  ): Promise<{ live?: string[]; known?: { heardAt: number; announcement: string }[] }>;
}

const folder = new URL('lua/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8');
const prelude = `local P = '${PREFIX}'\n${read('prelude.lua')}`;

/** `cancelOrRemove` for cancel-or-remove.lua. */
const nameOf = (file: string): string =>
  file.replace('.lua', '').replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** Lua by name: each script behind the prelude. */
export const SCRIPT_SOURCES = Object.fromEntries(
  readdirSync(folder)
    .filter((file) => file !== 'prelude.lua')
    .map((file) => [nameOf(file), `${prelude}\n${read(file)}`]),
) as Record<keyof QueueScripts, string>;
