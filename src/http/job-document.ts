/**
 * Jobs as clients see them: each member with its schema, its description and how it is made.
 */
import { z } from 'zod';
import 'zod-openapi';
import {
  jobResultSchema,
  jobSchema,
  jobWebhookSchema,
  stemResultSchema,
  trackSchema,
  warningSchema,
  type Job,
  type JobEvent,
  type JobResult,
  type JobWarning,
  type JobWebhook,
  type Place,
  type Playback,
  type StemResult,
} from '../jobs/job.js';
import { CHUNK_FRAMES, CHUNK_SCALE, MIXTURE } from '../audio/chunk-format.js';
import { withoutQuery } from '../lib/redact-url.js';
import { FORMATS } from '../options.js';
import { formOf } from './form.js';
import { playableOf } from './playable.js';
import { API_BASE } from './route.js';
import type { UrlTokens } from './tenants.js';
import { documentOf, member, membersOf, time, timeOrNull } from './document-schema.js';

/** Makes the path of something that belongs to the job, with a query. */
interface WithUrls {
  urlOf: (what: string, query?: Record<string, string>) => string;
}

export const jobStatus = jobSchema.shape.status.meta({ id: 'JobStatus' });
const count = z.int().min(0);
const seconds = z.number().min(0);

const warning = documentOf<JobWarning>()('Warning', membersOf(warningSchema));

const state = {
  ...membersOf(
    jobSchema
      .pick({ status: true, stage: true, progress: true })
      .extend({ status: jobStatus, stage: jobSchema.shape.stage.meta({ id: 'JobStage' }) }),
  ),
  error: member(
    z.string().nullable().meta({
      description: 'Why the job failed, as a sentence. Null for every other job.',
    }),
    ({ error }: Pick<Job, 'error'>) => error?.message ?? null,
  ),
  error_code: member(
    z.string().nullable().meta({
      description: 'The same as a code of docs/errors.md. Programs should use this one.',
    }),
    ({ error }: Pick<Job, 'error'>) => error?.code ?? null,
  ),
  warnings: member(
    z.array(warning.schema).meta({
      description: 'What the file has lost, and options that had no effect. Empty until completed.',
    }),
    ({ warnings }: Pick<Job, 'warnings'>) => (warnings ?? []).map((each) => warning.encode(each)),
  ),
};

const url = <Source extends WithUrls>(what: string, path: (source: Source) => string) =>
  member(
    z.string().meta({
      description:
        `Path of ${what} on this service. When the service has API keys, it carries a token that ` +
        'expires.',
    }),
    (source: Source) => source.urlOf(path(source)),
  );

const track = documentOf<NonNullable<JobResult['track']>>()('AudioTrack', membersOf(trackSchema));

const stem = documentOf<StemResult & WithUrls & { name: string }>()('Stem', {
  url: url('the audio', ({ name }: WithUrls & { name: string }) => {
    return `stems/${encodeURIComponent(name)}`;
  }),
  format: member(
    z.enum(FORMATS).meta({ description: 'Format of the file.' }),
    ({ format }: StemResult) => format as (typeof FORMATS)[number],
  ),
  ...membersOf(
    stemResultSchema.pick({
      sizeBytes: true,
      durationSeconds: true,
      sampleRate: true,
      channels: true,
      sha256: true,
    }),
  ),
});

const metadata = documentOf<JobResult & Pick<Job, 'request'>>()('ResultMetadata', {
  original_filename: member(
    z.string().meta({ description: 'Name of the uploaded file, or title behind a link.' }),
    ({ request }: Pick<Job, 'request'>) => request.source.name,
  ),
  duration: member(
    seconds.meta({ description: 'Length of the stems in seconds.' }),
    ({ stems }: JobResult) =>
      Math.max(...Object.values(stems).map(({ durationSeconds }) => durationSeconds)),
  ),
  format: member(
    z.enum(FORMATS).meta({ description: 'Format of the stems.' }),
    ({ request }: Pick<Job, 'request'>) => request.options.format,
  ),
  model: member(
    z.string().meta({ description: 'Name of the model.' }),
    ({ request }: Pick<Job, 'request'>) => request.model,
  ),
});

type ResultSource = JobResult & WithUrls & Pick<Job, 'request' | 'cached'>;
const resultSummaryMembers = {
  stems: member(
    z.record(z.string(), stem.schema).meta({ description: 'The stems by name.' }),
    ({ stems, urlOf }: JobResult & WithUrls) =>
      Object.fromEntries(
        Object.entries(stems).map(([name, made]) => [name, stem.encode({ ...made, name, urlOf })]),
      ),
  ),
  zip_url: url('an archive with all stems', () => 'stems.zip'),
  metadata: member(metadata.schema, metadata.encode),
  processing_time: member(
    seconds.meta({ description: 'How long the separation took, in seconds.' }),
    ({ processingSeconds }: JobResult) => processingSeconds,
  ),
  ...membersOf(jobResultSchema.pick({ realtimeFactor: true, nullTestDb: true })),
  ...membersOf(jobSchema.pick({ cached: true })),
  track: member(
    track.schema.nullable().meta({ description: 'The audio track; null when there is one only.' }),
    ({ track: chosen }: JobResult) => chosen && track.encode(chosen),
  ),
};
const resultSummary = documentOf<ResultSource>()('ResultSummary', resultSummaryMembers);
const result = documentOf<ResultSource>()('Result', {
  ...resultSummaryMembers,
  manifest: member(
    z.record(z.string(), z.unknown()).meta({
      description: 'What made this result: model, options, versions and device.',
    }),
    ({ manifest }: JobResult) => manifest as Record<string, unknown>,
  ),
});

const webhook = documentOf<JobWebhook>()('Webhook', {
  ...membersOf(jobWebhookSchema.pick({ url: true, status: true, attempts: true })),
  last_attempt_at: timeOrNull(
    'Time of the last attempt.',
    ({ lastAttemptAt }: JobWebhook) => lastAttemptAt,
  ),
  next_attempt_at: timeOrNull(
    'Time of the next attempt. Null before the job has ended and when there is no other attempt.',
    ({ nextAttemptAt }: JobWebhook) => nextAttemptAt,
  ),
  ...membersOf(jobWebhookSchema.pick({ lastStatus: true, lastError: true })),
});

const place = {
  queue_position: member(
    z.int().min(1).nullable().meta({
      description: 'Estimated place in the queue; the next job has 1. Null unless pending.',
    }),
    ({ place: at }: { place?: Place | undefined }) => at?.position ?? null,
  ),
  eta_seconds: member(
    seconds.nullable().meta({
      description:
        'Estimated seconds until a worker begins the job. Null unless pending, while the song ' +
        'behind a link is not downloaded, and while the operator has paused the queue.',
    }),
    ({ place: at }: { place?: Place | undefined }) => at?.etaSeconds ?? null,
  ),
};

/** What can be played of a job: while it runs, and of its result. */
interface PlaybackSource extends WithUrls {
  playback: Playback;
  chunksReady: number;
  gainOf: (stem: string) => number | null;
}

const playback = documentOf<PlaybackSource>()('Playback', {
  sample_rate: member(
    z.int().min(1).meta({ description: 'Sample rate of the chunks in Hz.' }),
    ({ playback: { sampleRate } }: PlaybackSource) => sampleRate,
  ),
  chunk_frames: member(
    z.int().meta({ description: 'Sample frames of a chunk. The last one is shorter.' }),
    () => CHUNK_FRAMES,
  ),
  scale: member(
    z.number().meta({ description: 'Samples of chunks and peaks are multiplied by it.' }),
    () => CHUNK_SCALE,
  ),
  chunks_ready: member(
    count.meta({ description: 'Chunks of each stem that are there, from 0 on.' }),
    ({ chunksReady }: PlaybackSource) => chunksReady,
  ),
  chunks_total: member(
    count.nullable().meta({ description: 'Chunks of each stem. Null until the song is decoded.' }),
    ({ playback: { chunks } }: PlaybackSource) => chunks,
  ),
  generation: member(
    z.int().min(1).meta({
      description: 'Grows when the job begins anew with other chunks: those before are void.',
    }),
    ({ playback: { generation } }: PlaybackSource) => generation,
  ),
  stems: member(
    z
      .record(
        z.string(),
        z
          .object({
            chunk_url: z.string().meta({
              description: 'Path of a chunk. Replace {n} by its number, from 0 on.',
            }),
            peaks_url: z.string().meta({
              description:
                'Path of the peaks for a waveform. Add from=P for those from pixel P on.',
            }),
            gain: z
              .number()
              .nullable()
              .meta({
                description:
                  'Factor by which the file of the stem is quieter than its chunks (clip mode ' +
                  'rescale). Null until the job is completed.',
              }),
          })
          .meta({ id: 'PlayableStem' }),
      )
      .meta({ description: 'The stems of the result by name, and the song itself as "mixture".' }),
    ({ playback: { stems, generation }, gainOf, urlOf }: PlaybackSource) =>
      Object.fromEntries(
        stems.map((name) => {
          const path = `stems/${encodeURIComponent(name)}`;
          const query = { generation: String(generation) };
          return [
            name,
            {
              chunk_url: urlOf(`${path}/chunks/{n}`, query),
              peaks_url: urlOf(`${path}/peaks`),
              gain: gainOf(name),
            },
          ];
        }),
      ),
  ),
});

/** 1 for the mixture, which has no clip mode. */
const gainIn = (made: JobResult | null, stem: string): number | null =>
  made && (stem === MIXTURE ? 1 : (made.stems[stem]?.gain ?? null));

/** What clients and the operator may know of a job alike. */
export const jobFacts = {
  job_id: member(z.uuid().meta({ description: 'Id of the job.' }), ({ id }: Job) => id),
  name: member(
    z.string().meta({
      description:
        'Name of the uploaded file, or of the file behind a link. For a video it is the link until ' +
        'the download has ended, then the title with an extension.',
    }),
    ({ request }: Job) => request.source.name,
  ),
  ...state,
  created_at: time('When the job was posted.', ({ createdAt }: Job) => createdAt),
  updated_at: time('When the job last changed.', ({ updatedAt }: Job) => updatedAt),
  started_at: timeOrNull('When a worker began it.', ({ startedAt }: Job) => startedAt),
  finished_at: timeOrNull('When it ended.', ({ finishedAt }: Job) => finishedAt),
  ...membersOf(jobSchema.pick({ attempts: true })),
  estimated_duration: member(
    seconds.meta({
      description: 'Seconds from posting to the end, waiting included, as estimated when posted.',
    }),
    ({ estimatedSeconds }: Job) => estimatedSeconds,
  ),
  ...membersOf(jobSchema.pick({ clientReference: true })),
  youtube_url: member(
    z.string().nullable().meta({ description: 'The link to a video. Null for other jobs.' }),
    ({ request: { source } }: Job) => (source.kind === 'youtube' ? source.url : null),
  ),
  source_url: member(
    z.string().nullable().meta({
      description: 'The link to a file, without its query. Null for other jobs.',
    }),
    ({ request: { source } }: Job) => (source.kind === 'url' ? withoutQuery(source.url) : null),
  ),
  duration_seconds: member(
    seconds.nullable().meta({
      description: 'Length of the song in seconds, as its header says. Null while unknown.',
    }),
    ({ request }: Job) => request.source.durationSeconds,
  ),
  model: member(
    z.string().meta({ description: 'Name of the model.' }),
    ({ request }: Job) => request.model,
  ),
  ...place,
};

const summaryMembers = {
  ...jobFacts,
  options: member(
    z.record(z.string(), z.unknown()).meta({
      description: 'Fields of the form that made the job, with all defaults and the seed.',
    }),
    ({ request }: Job) => formOf(request),
  ),
  events_url: url('its progress as server-sent events', () => 'events'),
  ws_url: url('its progress by WebSocket', () => 'ws'),
  webhook: member(
    webhook.schema.nullable().meta({ description: 'Null without callback_url.' }),
    ({ webhook: told }: Job) => told && webhook.encode(told),
  ),
};

const NO_RESULT = { description: 'Null until the job is completed.' };

const summary = documentOf<Job & WithUrls>()('JobSummary', {
  ...summaryMembers,
  result: member(
    resultSummary.schema.nullable().meta(NO_RESULT),
    ({ result: made, cached, request, urlOf }: Job & WithUrls) =>
      made && resultSummary.encode({ ...made, cached, request, urlOf }),
  ),
});

const job = documentOf<Job & WithUrls>()('Job', {
  ...summaryMembers,
  result: member(
    result.schema.nullable().meta(NO_RESULT),
    ({ result: made, cached, request, urlOf }: Job & WithUrls) =>
      made && result.encode({ ...made, cached, request, urlOf }),
  ),
  playback: member(
    playback.schema.nullable().meta({
      description:
        'What can be played, also while the job runs. Null until a worker has loaded the model, and ' +
        'when the job has ended without a result.',
    }),
    (source: Job & WithUrls) => {
      const playable = playableOf(source);
      const gainOf = (stem: string) => gainIn(source.result, stem);
      return playable ? playback.encode({ ...playable, gainOf, urlOf: source.urlOf }) : null;
    },
  ),
});

/** A job in a list. */
export const jobSummary = summary.schema;
export type JobSummary = z.output<typeof jobSummary>;

export const jobDocument = job.schema;
export type JobDocument = z.output<typeof jobDocument>;

/** @param base what precedes {@link API_BASE} in the URLs of the client. */
export const jobUrl = (base: string, id: string): string => `${base}${API_BASE}/jobs/${id}`;

/** What the URLs in a document are made of. */
interface UrlParts {
  /** See {@link jobUrl}. */
  base: string;
  /** Makes tokens, for clients that cannot set headers. */
  tokens: UrlTokens;
}

export const encodeJob = async (record: Job, parts: UrlParts): Promise<JobDocument> =>
  job.encode(await withUrls(record, parts));

/** As {@link encodeJob}, for a list. */
export const encodeSummary = async (record: Job, parts: UrlParts): Promise<JobSummary> =>
  summary.encode(await withUrls(record, parts));

async function withUrls(record: Job, { base, tokens }: UrlParts): Promise<Job & WithUrls> {
  const token = await tokens.sign(record);
  const urlOf: WithUrls['urlOf'] = (what, query) => {
    const all = new URLSearchParams({ ...query, ...(token !== undefined && { token }) }).toString();
    return `${jobUrl(base, record.id)}/${what}${all === '' ? '' : `?${all}`}`;
  };
  return { ...record, urlOf };
}

const message = documentOf<JobEvent & { jobId: string }>()('JobMessage', {
  id: member(
    z.string().meta({ description: 'Id of the message, for Last-Event-ID.' }),
    ({ id }: JobEvent) => id,
  ),
  event: member(
    z.enum(['progress', 'completed', 'failed', 'cancelled']).meta({
      description: 'progress, or how the job has ended.',
    }),
    ({ status }: JobEvent) =>
      status === 'pending' || status === 'processing' ? 'progress' : status,
  ),
  ...membersOf(z.object({ jobId: z.uuid().meta({ description: 'Id of the job.' }) })),
  ...state,
  chunks_ready: member(
    count.meta({ description: 'Chunks of each stem that can be played; see playback of the job.' }),
    ({ chunksReady }: JobEvent) => chunksReady,
  ),
  ...place,
  timestamp: time('When it happened.', ({ at }: JobEvent) => at),
});

/** One message, by server-sent events and by WebSocket. */
export const jobMessage = message.schema;
export type JobMessage = z.output<typeof jobMessage>;

export const encodeMessage = (jobId: string, event: JobEvent): JobMessage =>
  message.encode({ ...event, jobId });
