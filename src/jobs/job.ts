/**
 * What a job is: the one schema of the record that API and workers share. Types, the encoding in Redis
 * (record.ts) and descriptions for clients come from it. Times are milliseconds since 1970.
 */
import { z } from 'zod';
import { jobOptions } from '../options.js';

/** In the order in which a job can go through them; the last three are ends. */
export const JOB_STATUSES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;

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

export const WEBHOOK_STATUSES = ['pending', 'delivered', 'failed'] as const;

const described = <T extends z.ZodType>(schema: T, description: string): T =>
  schema.meta({ description });

const count = z.int().min(0);
const seconds = z.number().min(0);
const time = z.int().min(0);
const storageKey = described(z.string(), 'Key in the storage');
const sha256 = described(z.string(), 'SHA-256 of the file, in hexadecimal');
const songSeconds = described(
  seconds.nullable(),
  'Length of the song in seconds, as its header says; null while it is not known',
);

const uploadSource = described(
  z.object({
    kind: z.literal('upload'),
    key: storageKey,
    name: described(
      z.string(),
      'Name that the client gave the file: for tags and names of downloads, never for a path',
    ),
    sha256,
    sizeBytes: count,
    durationSeconds: songSeconds,
  }),
  'A song that was uploaded',
);

/** What the cost of a job depends on; see ModelShape of model-options.ts. */
const pricedModel = z.object({
  sampleRate: described(count, 'Samples per second'),
  segment: described(count, 'Longest input of the networks, in sample frames'),
  minLength: described(count, 'Shortest input of the networks, in sample frames'),
  overlapAdd: described(
    z.object({ overlap: count, lead: count }).optional(),
    'For networks whose segments are added as they are: frames that neighbors share, and frames of silence before the song',
  ),
  realtimeFactor: described(
    z.number().nullable(),
    'Seconds of audio per second of work, as measured; null until it was',
  ),
});

const linkSource = described(
  z.object({
    kind: described(z.enum(['youtube', 'url']), 'To a video, or to a file'),
    url: described(z.string(), 'The link, with its query'),
    key: storageKey.nullable(),
    name: described(
      z.string(),
      'What is known of it: the link to a video, the name in the link to a file; after the download ' +
        'title or name, as the name of a file',
    ),
    sha256: sha256.nullable(),
    sizeBytes: count.nullable(),
    durationSeconds: songSeconds,
    model: described(
      pricedModel,
      'The model as it was at admission, for the cost of the song once its length is known',
    ),
  }),
  'A song behind a link; what is known only of a file is null until the download',
);

const jobSourceSchema = z.discriminatedUnion('kind', [uploadSource, linkSource]);

export const jobRequestSchema = z.object({
  source: jobSourceSchema,
  model: described(z.string(), 'Name of the model'),
  options: described(
    jobOptions.required({ seed: true }),
    'Options as the client gave them, with defaults; the seed was drawn at admission if none was given',
  ),
});

export const stemResultSchema = z.object({
  key: storageKey,
  format: described(z.string(), 'As in the options'),
  sizeBytes: described(count, 'Size of the file in bytes'),
  durationSeconds: described(seconds, 'Length of the audio in seconds'),
  sampleRate: described(count, 'Sample rate in Hz'),
  channels: described(count, 'Number of channels'),
  sha256,
  gain: described(z.number(), 'Factor by which clip mode rescale lowered the stem; else 1'),
});

const playbackSchema = z.object({
  generation: described(
    z.int().min(1),
    'Grows whenever the job begins anew where its chunks would differ from those before',
  ),
  sampleRate: described(count, 'Of the model, in samples per second'),
  stems: described(z.array(z.string()).min(1), 'Names of what has chunks; the mixture is the last'),
  frames: described(count.nullable(), 'Length of the song; null until it was decoded'),
  chunks: described(count.nullable(), 'Chunks of each stem in the whole song; null until then'),
});

const runningPlaybackSchema = playbackSchema.extend({
  resultId: described(z.string(), 'Id of the result that is being made'),
});

export const warningSchema = z.object({
  code: described(z.string(), 'Stable name of the warning'),
  message: described(z.string(), 'The warning as a sentence'),
  atSeconds: described(z.number().nullable(), 'Where in the song; null for all of it'),
  lostSeconds: described(seconds, 'How much sound is missing there'),
});

export const trackSchema = z.object({
  number: described(z.int().min(1), 'Which of the audio tracks, from 1'),
  count: described(z.int().min(1), 'How many the file has'),
  codec: z.string(),
  language: described(z.string().nullable(), 'As the file tells it'),
  title: described(z.string().nullable(), 'As the file tells it'),
});

export const jobResultSchema = z.object({
  id: described(z.string(), 'Jobs of equal content and options share one result'),
  stems: described(z.record(z.string(), stemResultSchema), 'Stems by name'),
  processingSeconds: described(
    seconds,
    'Seconds that the work took, over all attempts that were resumed',
  ),
  realtimeFactor: described(seconds, 'Seconds of audio per second of work'),
  nullTestDb: described(
    z.number().nullable(),
    'Level in dB of the song minus the sum of its stems; null unless all stems were made',
  ),
  track: described(trackSchema.nullable(), 'The audio track; null when the file has one only'),
  warnings: described(z.array(warningSchema), 'What the owner of the song should know'),
  manifest: described(
    z.custom<object>((value) => typeof value === 'object' && value !== null),
    'What made the result',
  ),
  playback: described(
    playbackSchema.extend({ frames: count, chunks: count }),
    'The chunks, which are all there',
  ),
});

export const jobFailureSchema = z.object({
  code: described(z.string(), 'Stable code of the error'),
  message: described(z.string(), 'The error as a sentence'),
});

export const jobWebhookSchema = z.object({
  url: described(z.string(), 'Where the end of the job is sent'),
  status: described(
    z.enum(WEBHOOK_STATUSES),
    'pending: not sent yet, or to be tried again; failed: given up',
  ),
  attempts: described(count, 'Tries so far'),
  lastAttemptAt: time.nullable(),
  nextAttemptAt: described(
    time.nullable(),
    'Null while the job has not ended, and when there is no other try',
  ),
  lastStatus: described(
    z.int().nullable(),
    'HTTP status of the last answer; null when there was none',
  ),
  lastError: described(z.string().nullable(), 'Why the last try failed'),
});

const traceSchema = z.object({
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
});

export const jobSchema = z.object({
  id: z.string(),
  tenant: described(z.string(), 'Owner of the job; one name for all while there are no API keys'),
  status: z.enum(JOB_STATUSES),
  stage: described(z.enum(JOB_STAGES), 'What is being done; waiting: for a worker'),
  progress: described(
    z.number().min(0).max(100),
    'Percent over all stages; it never goes back, except when an attempt begins anew',
  ),
  attempts: described(count, 'Attempts that workers began and did not give back'),
  createdAt: time,
  updatedAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  estimatedSeconds: described(
    seconds,
    'Seconds that the job was expected to take from its admission',
  ),
  requestId: described(z.string(), 'Id of the request that made the job, for logs'),
  trace: described(
    traceSchema.nullable(),
    'W3C Trace Context of that request; null while tracing was off',
  ),
  clientReference: described(
    z.string().nullable(),
    'By what the client knows the job; null when it gave nothing',
  ),
  request: jobRequestSchema,
  error: described(jobFailureSchema.nullable(), 'Why the job failed'),
  result: jobResultSchema.nullable(),
  playback: described(
    runningPlaybackSchema.nullable(),
    'What is published while the job runs; null before a worker has the model, and after the end',
  ),
  chunksReady: described(count, 'Chunks of each stem that are published of that result'),
  warnings: described(z.array(warningSchema).nullable(), 'Those of the result; null until then'),
  cached: described(z.boolean(), 'Whether the result was there already'),
  webhook: described(jobWebhookSchema.nullable(), 'Null when the client asked for none'),
});

/** A change of a job as listeners get it. */
export const jobEventSchema = jobSchema
  .pick({
    status: true,
    stage: true,
    progress: true,
    error: true,
    chunksReady: true,
    warnings: true,
  })
  .extend({
    id: described(z.string(), 'Grows from one event to the next, for Last-Event-ID'),
    at: time,
  });

/** Where a pending job is in the queue. */
export interface Place {
  /** The next job has 1. */
  position: number;
  /**
   * Estimated seconds until a worker begins the job; null while its song is to be downloaded, and while
   * the queue is paused.
   */
  etaSeconds: number | null;
}

export type JobStatus = (typeof JOB_STATUSES)[number];
export type JobStage = (typeof JOB_STAGES)[number];
export type WebhookStatus = (typeof WEBHOOK_STATUSES)[number];
export type PricedModel = z.output<typeof pricedModel>;
/** What a job is to do: admission has checked it and filled in every default. */
export type JobRequest = z.output<typeof jobRequestSchema>;
export type LinkSource = z.output<typeof linkSource>;
/** What leads to a song. */
export type SongLink = Pick<LinkSource, 'kind' | 'url'>;
export type StemResult = z.output<typeof stemResultSchema>;
export type JobResult = z.output<typeof jobResultSchema>;
export type JobWarning = z.output<typeof warningSchema>;
export type JobFailure = z.output<typeof jobFailureSchema>;
export type JobWebhook = z.output<typeof jobWebhookSchema>;
/** A job; one that is read while it is pending has a place. */
export type Job = z.output<typeof jobSchema> & { place?: Place | undefined };
export type Playback = z.output<typeof playbackSchema>;
export type RunningPlayback = z.output<typeof runningPlaybackSchema>;
/** An event; pending jobs have a place. */
export type JobEvent = z.output<typeof jobEventSchema> & { place?: Place | undefined };

export const isFinished = ({ status }: Pick<Job, 'status'>): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';
