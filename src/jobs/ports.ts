/**
 * The queue as the API and the workers see it. Both speak to one Redis; our record there is the truth
 * about a job, and every change of it is one atomic script.
 *
 * Every method throws OxboardError REDIS_UNAVAILABLE when Redis does not answer within a few seconds, and
 * those that write REDIS_REFUSES_WRITES when it takes no writes.
 */
import type { License } from '../models/license.js';
import type { TraceContext } from '../observability/tracing.js';
import type {
  Job,
  JobEvent,
  JobFailure,
  JobRequest,
  JobResult,
  JobStage,
  JobStatus,
  PricedModel,
  RunningPlayback,
  WebhookStatus,
} from './job.js';

export interface Admission {
  id: string;
  tenant: string;
  /** Jobs of different clients take turns within a lane. */
  client: string;
  request: JobRequest;
  /** Seconds of work that it is expected to cost; decides the lane. */
  costSeconds: number;
  estimatedSeconds: number;
  requestId: string;
  trace?: TraceContext | undefined;
  /** Where the end of the job is told. */
  callbackUrl?: string | undefined;
  /** By what the client knows the job; several jobs may have the same. */
  clientReference?: string | undefined;
  /** The same key with the same fingerprint of the request gives the same job. */
  idempotency?: { key: string; fingerprint: string } | undefined;
}

export interface JobQuery {
  status?: JobStatus | undefined;
  clientReference?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

export interface JobPage {
  jobs: Job[];
  /** Undefined on the last page. */
  nextCursor: string | undefined;
}

/** What the API does with jobs. A tenant never sees another's. */
export interface Jobs {
  /**
   * Makes the record and queues it, or gives the job that the idempotency key made before.
   *
   * @throws OxboardError IDEMPOTENCY_CONFLICT
   */
  admit(admission: Admission): Promise<{ job: Job; replayed: boolean }>;
  get(id: string, tenant: string): Promise<Job | undefined>;
  /** Newest first. @throws OxboardError REQUEST_INVALID for a cursor that is not ours. */
  list(tenant: string, query: JobQuery): Promise<JobPage>;
  /**
   * A pending or processing job becomes `cancelled`, at once and for every worker; the record stays
   * until its time. A finished one is removed, and its stems with it unless another job has them too.
   */
  cancelOrRemove(id: string, tenant: string): Promise<'cancelled' | 'removed' | undefined>;
  /** Seconds of queued work before a job of that cost would begin, with the workers there are. */
  waitSeconds(costSeconds: number): Promise<number>;
  /** @throws OxboardError REDIS_REFUSES_WRITES while no job can be admitted. */
  checkWrites(): Promise<void>;
  counts(): Promise<{ pending: number; processing: number }>;
  /**
   * The job's events: those after `after` (or the current state first, without it), then each as it
   * happens; ends after the terminal one, and when the job is removed.
   */
  events(
    id: string,
    tenant: string,
    options: { after?: string | undefined; signal: AbortSignal },
  ): Promise<AsyncIterable<JobEvent> | undefined>;
}

/** Instead of a tenant: the jobs of all of them. */
export const ANY_TENANT = '*';

export interface WaitingJobs {
  count: number;
  /** For how long the first has waited. */
  oldestMs: number;
}

/** What the operator of the service does with the jobs of all tenants. */
export interface Administration {
  queue(): Promise<{
    /** True while workers take no jobs. */
    paused: boolean;
    pending: number;
    processing: number;
    /** Those of `pending` that are in a lane. */
    lanes: Record<'short' | 'long' | 'downloads', WaitingJobs>;
  }>;
  /** The live workers with the jobs that each runs, and the jobs whose songs are being downloaded. */
  workers(): Promise<{ workers: (WorkerAnnouncement & { jobs: Job[] })[]; downloads: Job[] }>;
  get(id: string): Promise<Job | undefined>;
  /** As {@link Jobs.list}. */
  list(query: JobQuery): Promise<JobPage>;
  /** @returns `refused` for a job that had ended before; it stays as it is. */
  cancel(id: string): Promise<'done' | 'refused' | undefined>;
  /**
   * A failed job waits again, with all its attempts.
   *
   * @returns `refused` for a job that has not failed; it stays as it is.
   */
  retry(id: string): Promise<'done' | 'refused' | undefined>;
  /** While paused, jobs are admitted and wait; those that run go on. */
  setPaused(paused: boolean): Promise<void>;
}

/** What one client may do in a period, which begins with its first request. */
export interface PostLimits {
  /** Jobs that are accepted. */
  jobs: number;
  /** Requests for a job that make none. */
  refusals: number;
  periodMs: number;
}

export interface PostReservation {
  /** The limit that is reached: nothing is reserved. */
  full?: 'jobs' | 'refusals';
  /** Used in this period, with the one that is reserved. */
  jobs: number;
  endsInMs: number;
  /** Ends the reservation, and counts what the request came to. */
  settle(used: { job: boolean; refusal: boolean }): Promise<void>;
}

/** How often what one client tries may fail in a period, which begins with its first failure. */
export interface FailureLimit {
  failures: number;
  periodMs: number;
}

/** Counts what clients ask for, over all API processes. */
export interface PostCounts {
  /**
   * Reserves one job: what the request comes to is not known yet. It lasts until it is settled, or
   * soon after this process has ended.
   */
  reserve(client: string, limits: PostLimits): Promise<PostReservation>;
  /**
   * Counts a try that failed, and looks at the limit, both in one step. One that succeeds counts nowhere.
   *
   * @returns for how many milliseconds the client is blocked, when it had reached the limit before;
   * else undefined.
   */
  countTry(client: string, failed: boolean, limit: FailureLimit): Promise<number | undefined>;
}

/** A song that comes in parts, as its client has announced it. */
export interface ResumableUpload {
  id: string;
  /** The client's name for it: for display, tags and names of downloads, never for a path. */
  name: string;
  sizeBytes: number;
}

/** What one client may have of songs in parts of which no job was made yet. */
export interface ResumableLimits {
  mostOpen: number;
  /** As announced, of all of them. */
  mostBytes: number;
  /** After which a song is removed, whole or not. */
  ttlMs: number;
}

/** Songs that come in parts. Their bytes are in the storage, below `resumable/<id>/`. */
export interface ResumableUploads {
  /** @returns the limit that it would exceed: then there is no such upload. */
  begin(
    upload: ResumableUpload & { tenant: string; client: string },
    limits: ResumableLimits,
  ): Promise<'open' | 'bytes' | undefined>;
  get(id: string, tenant: string): Promise<ResumableUpload | undefined>;
  /** A job was made of it: it counts no more, and is kept for a few minutes. */
  used(id: string): Promise<void>;
  /** Removes it, with its bytes. Safe to repeat. */
  remove(id: string): Promise<void>;
  /**
   * Waits until no other request has the upload, and asks the one that has it to end. The lock is
   * renewed until it is given back, and runs out soon after this process has ended.
   *
   * @param options.onWanted called when another request asks for it, and when it was lost.
   * @returns gives it back.
   * @throws OxboardError UPLOAD_BUSY; `signal.reason` when aborted.
   */
  lock(
    id: string,
    options: { signal: AbortSignal; onWanted: () => void },
  ): Promise<() => Promise<void>>;
}

/** What a worker can do, as it tells every few seconds. */
export interface WorkerAnnouncement {
  id: string;
  models: WorkerModel[];
  defaultModel: string;
  device: string;
  concurrency: number;
  /** Jobs that it runs now. */
  active: number;
  /** The model that it is pulling; it serves with the others meanwhile. */
  pull: ModelPull | null;
  version: string;
}

export interface ModelPull {
  model: string;
  /** `waiting`: a try failed, and the next will come. */
  status: 'pulling' | 'waiting';
  /** From 0 to 100, over all of its stages. */
  progress: number;
  /** Why the last try failed. */
  error: JobFailure | null;
}

export interface WorkerModel extends PricedModel {
  name: string;
  sources: string[];
  /** Of its model.json: two workers with the same name of a model may hold different ones. */
  hash: string;
  embedded: boolean;
  notice: string | null;
  license: License;
  sizeBytes: number;
}

export interface Workers {
  /** Says so once more; forgotten when it is not repeated within some seconds. */
  announce(worker: WorkerAnnouncement): Promise<void>;
  withdraw(id: string): Promise<void>;
  /** Those that live. */
  list(): Promise<WorkerAnnouncement[]>;
  /**
   * Models of the live workers, else those last heard of; empty when no worker ever was. `serving`:
   * a live worker has it.
   */
  models(): Promise<{
    models: (WorkerModel & { serving: boolean })[];
    defaultModel: string | undefined;
  }>;
}

/** A job that one worker has claimed. */
export interface Lease {
  job: Job;
  /** Every later call must show it; it is void once the job was cancelled or given to another. */
  token: string;
}

/** A job that is to be separated. */
export interface Claim extends Lease {
  /** Under which the result will be found by equal jobs. */
  cacheKey: string;
  /** Of the model that is in that key, as the worker last announced it. */
  modelHash: string;
  /** A result that is there already: the job only has to be completed with it. */
  cached: JobResult | undefined;
}

/** Why a worker has to let go of a job. */
export type Revocation = 'cancelled' | 'lost';

/** What a worker does with jobs. */
export interface Claims {
  /**
   * The next job, by lane weights, turns of clients and age; counts the attempt. Undefined when nothing
   * waits. A job equal to one that runs now is passed over until that has ended.
   *
   * @param runtime what besides model and options decides the bytes: device kind, threads, versions.
   */
  claim(workerId: string, runtime: string): Promise<Claim | undefined>;
  /** Keeps the claim alive; tells why it is void. Called every few seconds. */
  renew(lease: Lease): Promise<Revocation | undefined>;
  /** Resolves as soon as a claim is revoked, without waiting for the next renewal. */
  onRevoked(lease: Lease, listener: (why: Revocation) => void): () => void;
  /** @returns false when the claim is void. The same holds below. */
  progress(lease: Lease, now: { stage: JobStage; progress: number }): Promise<boolean>;
  /**
   * Tells what is published of the job's stems while it runs. What an earlier attempt with the same
   * signature has published stays; else it is removed, and the next generation begins.
   *
   * @param what `signature`: equal where the bytes of the chunks are.
   * @returns how many chunks are published already; undefined when the claim is void.
   */
  beginPlayback(
    lease: Lease,
    what: { signature: string; sampleRate: number; stems: readonly string[] },
  ): Promise<{ playback: RunningPlayback; chunksReady: number } | undefined>;
  /** Tells how many chunks of each stem are published. */
  published(
    lease: Lease,
    now: { frames: number; chunks: number; chunksReady: number },
  ): Promise<boolean>;
  /**
   * After it the result belongs to the job; when false, its files are still the caller's to remove.
   * Safe to repeat with the same result when the answer was lost.
   *
   * @param usedModel hash of the model that made the result, when it may be another than was
   * announced: then equal jobs do not get it.
   */
  complete(claim: Claim, result: JobResult, usedModel?: string): Promise<boolean>;
  fail(lease: Lease, failure: JobFailure): Promise<boolean>;
  /**
   * Back to its lane, in front; the attempt does not count.
   *
   * @param outage why no job can go on at the moment: then the job stays away from its lane for a while,
   * and it fails with this error when it has waited too long.
   */
  handBack(lease: Lease, outage?: JobFailure): Promise<boolean>;
  /** Back to its lane as if the worker was lost, because the work does not go on. */
  giveUp(lease: Lease): Promise<boolean>;
  /** Tells how far the checkpoints of the job reach: losses of workers before that no longer count. */
  checkpointed(lease: Lease, checkpoint: CheckpointPosition): Promise<boolean>;
}

export interface CheckpointPosition {
  /** What the checkpoints belong to; only those of one series can be compared. */
  series: string;
  /** Where they end, in sample frames. */
  frames: number;
}

/** A job whose song is to be downloaded. */
export interface DownloadClaim extends Lease {
  /** The first is 1. */
  attempt: number;
}

/** What a downloader does with jobs: as with {@link Claims}, with attempts of their own. */
export interface Downloads extends Pick<
  Claims,
  'renew' | 'onRevoked' | 'progress' | 'fail' | 'handBack' | 'giveUp'
> {
  /** The next job whose song is still behind a link; undefined when there is none. */
  claim(workerId: string): Promise<DownloadClaim | undefined>;
  /**
   * The song is in the storage: the job goes into the lane of its model.
   *
   * @param costSeconds of work that it is expected to cost; decides the lane.
   * @param progress from 0 to 100, below which the job will not be again.
   * @returns false when the claim is void: the song is the caller's to remove.
   */
  downloaded(
    lease: Lease,
    song: DownloadedSong,
    { costSeconds, progress }: { costSeconds: number; progress: number },
  ): Promise<boolean>;
}

/** What became of a link. */
export interface DownloadedSong {
  /** In the storage. */
  key: string;
  /** As of a file: its title and the extension of its kind. */
  name: string;
  sha256: string;
  sizeBytes: number;
  /** What its header says. */
  durationSeconds: number | null;
}

/** A try to tell the end of a job; it counts as one from now on. */
export interface DeliveryClaim {
  job: Job;
  token: string;
  url: string;
}

/** What came of a try. */
export interface DeliverySettlement {
  /** `pending`: it is to be tried again, after `delayMs`. */
  state: WebhookStatus;
  status: number | null;
  error: string | null;
  delayMs?: number;
}

/** What those do who tell the ends of jobs: each at least once, until its record goes. */
export interface Deliveries {
  /** The one that is due first. */
  claim(): Promise<{
    claim: DeliveryClaim | undefined;
    /** Deliveries that are not settled. */
    waiting: number;
    /** Milliseconds until the next one is due; undefined when there is none. */
    nextMs: number | undefined;
  }>;
  /**
   * @param forMs milliseconds after the end of the job for which it is tried again.
   * @returns the state that it came to; `void` when the job is gone, or another has taken the try over.
   */
  settle(
    claim: Pick<DeliveryClaim, 'job' | 'token'>,
    settlement: DeliverySettlement,
    forMs: number,
  ): Promise<WebhookStatus | 'void'>;
}

/** Wakes idle workers; see queue/dispatcher.ts. */
export interface Dispatcher {
  /**
   * Sends wake-ups; none when `count` is not positive. It never fails: the sweeper sends again what
   * was lost.
   */
  wake(count: number): Promise<void>;
  /** Number of wake-ups that no worker has received yet; zero when Redis does not answer. */
  waiting(): Promise<number>;
  /**
   * Receives a wake-up whenever one of `slots` is free, until the dispatcher is closed. A slot is
   * free again when `onWakeUp` has ended; `onWakeUp` handles its own errors.
   */
  listen(slots: number, onWakeUp: () => Promise<void>): void;
  /**
   * Receives no more wake-ups; safe to repeat. It does not wait for slots in use, and `wake` still
   * works for the jobs that they give back.
   */
  close(): Promise<void>;
}
