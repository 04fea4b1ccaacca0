/**
 * What a job is: the record that API and workers share.
 */
import type { TraceContext } from '../observability/tracing.js';
import type { ModelShape } from '../model-options.js';
import type { JobOptions } from '../options.js';

/** In the order in which a job can go through them; the last three are ends. */
export const JOB_STATUSES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** What is done for a job at the moment. `waiting`: for a worker, at first or again. */
export const JOB_STAGES = [
  'waiting',
  'downloading',
  'loading',
  'decoding',
  'separating',
  'encoding',
  'storing',
  'done',
] as const;
export type JobStage = (typeof JOB_STAGES)[number];

/** A song that was uploaded. */
export interface UploadSource {
  kind: 'upload';
  /** In the storage. */
  key: string;
  /** The name that the client gave it: for tags and names of downloads, never for a path. */
  name: string;
  sha256: string;
  sizeBytes: number;
  /** What its header says. */
  durationSeconds: number | null;
}

/** A song behind a link. Until it was downloaded, what is only known of a file is null. */
export interface YoutubeSource {
  kind: 'youtube';
  url: string;
  /** In the storage. */
  key: string | null;
  /** The link; later on its title, as the name of a file. */
  name: string;
  sha256: string | null;
  sizeBytes: number | null;
  durationSeconds: number | null;
  /** As it was at admission, for the cost of the song once its length is known. */
  model: PricedModel;
}

/** What the cost of a job depends on. */
export interface PricedModel extends ModelShape {
  /** Seconds of audio per second of work, as measured; null until it was. */
  realtimeFactor: number | null;
}

export type JobSource = UploadSource | YoutubeSource;

/** What a job is to do: admission has checked it and filled in every default. */
export interface JobRequest {
  source: JobSource;
  model: string;
  /** As the client gave them, with defaults; the seed is drawn at admission when there was none. */
  options: JobOptions & { seed: number };
}

export interface StemResult {
  /** In the storage. */
  key: string;
  format: string;
  sizeBytes: number;
  durationSeconds: number;
  sampleRate: number;
  channels: number;
  sha256: string;
}

export interface JobResult {
  /** Jobs of equal content and options share one result; it goes with the last of them. */
  id: string;
  stems: Record<string, StemResult>;
  /** Seconds that the work took when it was done, over all attempts that were resumed. */
  processingSeconds: number;
  /** Seconds of audio per second of work. */
  realtimeFactor: number;
  /** See FileResult. */
  nullTestDb: number | null;
  manifest: object;
}

export interface JobFailure {
  code: string;
  message: string;
}

/** `pending` until it was told, or given up. */
export const WEBHOOK_STATUSES = ['pending', 'delivered', 'failed'] as const;
export type WebhookStatus = (typeof WEBHOOK_STATUSES)[number];

/** Whom the end of a job is told, and how far that has come. Times are milliseconds since 1970. */
export interface JobWebhook {
  url: string;
  status: WebhookStatus;
  /** Tries so far. */
  attempts: number;
  lastAttemptAt: number | null;
  /** Null while the job has not ended, and when there is no other try. */
  nextAttemptAt: number | null;
  /** HTTP status that the receiver answered last; null when it gave none. */
  lastStatus: number | null;
  /** Why the last try did not deliver it. */
  lastError: string | null;
}

/** Times are milliseconds since 1970. */
export interface Job {
  id: string;
  /** Whose it is; one name for all while there are no API keys. */
  tenant: string;
  status: JobStatus;
  stage: JobStage;
  /** Over all stages, from 0 to 100; it never goes back, except when an attempt begins anew. */
  progress: number;
  /** Times that a worker took it up and was not heard of again, or began it for good. */
  attempts: number;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  /** Seconds that it was expected to take from its admission. */
  estimatedSeconds: number;
  /** Of the request that made it, for the logs of whoever works on it. */
  requestId: string;
  /** Where its work goes on in the trace of that request; null while tracing was off. */
  trace: TraceContext | null;
  request: JobRequest;
  error: JobFailure | null;
  result: JobResult | null;
  /** Whether the result was there already. */
  cached: boolean;
  /** Null when the client asked for none. */
  webhook: JobWebhook | null;
}

export const isFinished = ({ status }: Pick<Job, 'status'>): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** A change of a job as listeners get it. `id` grows from one to the next, for Last-Event-ID. */
export interface JobEvent {
  id: string;
  status: JobStatus;
  stage: JobStage;
  progress: number;
  /** With `failed`. */
  error: JobFailure | null;
  /** Milliseconds since 1970. */
  at: number;
}
