/**
 * Jobs as clients see them: each member with its schema, its description and how it is made.
 */
import { z } from 'zod';
import 'zod-openapi';
import {
  JOB_STAGES,
  JOB_STATUSES,
  WEBHOOK_STATUSES,
  type Job,
  type JobEvent,
  type JobResult,
  type JobWebhook,
  type StemResult,
} from '../jobs/job.js';
import { FORMATS } from '../options.js';
import { formOf } from './form.js';
import { API_BASE } from './route.js';
import type { UrlTokens } from './tenants.js';
import { documentOf, member, membersOf, time, timeOrNull } from './wire.js';

/** Makes the path of something that belongs to the job. */
interface WithUrls {
  urlOf: (what: string) => string;
}

export const jobStatus = z.enum(JOB_STATUSES).meta({ id: 'JobStatus' });
const count = z.int().min(0);
const seconds = z.number().min(0);
const failure = z
  .object({
    code: z.string().meta({ description: 'A code of docs/errors.md.' }),
    message: z.string().meta({ description: 'What went wrong, as a sentence.' }),
  })
  .nullable()
  .meta({ description: 'Why the job failed. Null for every other job.' });

const state = membersOf(
  z.object({
    status: jobStatus,
    stage: z
      .enum(JOB_STAGES)
      .meta({ id: 'JobStage', description: 'What is done for the job at the moment.' }),
    progress: z
      .number()
      .min(0)
      .max(100)
      .meta({ description: 'Progress over all stages, in percent.' }),
    error: failure,
  }),
);

const url = <Source extends WithUrls>(what: string, path: (source: Source) => string) =>
  member(
    z.string().meta({
      description:
        `Path of ${what} on this service. When the service has API keys, it carries a token that ` +
        'expires.',
    }),
    (source: Source) => source.urlOf(path(source)),
  );

const stem = documentOf<StemResult & WithUrls & { name: string }>()('Stem', {
  url: url('the audio', ({ name }: WithUrls & { name: string }) => {
    return `stems/${encodeURIComponent(name)}`;
  }),
  format: member(
    z.enum(FORMATS).meta({ description: 'Format of the file.' }),
    ({ format }: StemResult) => format as (typeof FORMATS)[number],
  ),
  ...membersOf(
    z.object({
      sizeBytes: count.meta({ description: 'Size of the file in bytes.' }),
      durationSeconds: seconds.meta({ description: 'Length of the audio in seconds.' }),
      sampleRate: z.int().min(1).meta({ description: 'Sample rate in Hz.' }),
      channels: z.int().min(1).meta({ description: 'Number of channels.' }),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .meta({ description: 'SHA-256 of the file, in hexadecimal.' }),
    }),
  ),
});

const result = documentOf<JobResult & WithUrls & { cached: boolean }>()('Result', {
  stems: member(
    z.record(z.string(), stem.schema).meta({ description: 'The stems by name.' }),
    ({ stems, urlOf }: JobResult & WithUrls) =>
      Object.fromEntries(
        Object.entries(stems).map(([name, made]) => [name, stem.encode({ ...made, name, urlOf })]),
      ),
  ),
  zip_url: url('an archive with all stems', () => 'stems.zip'),
  processing_time: member(
    seconds.meta({ description: 'How long the separation took, in seconds.' }),
    ({ processingSeconds }: JobResult) => processingSeconds,
  ),
  ...membersOf(
    z.object({
      realtimeFactor: seconds.meta({ description: 'Seconds of audio per second of work.' }),
      cached: z.boolean().meta({ description: 'True if an equal job had been done before.' }),
      nullTestDb: z.number().nullable().meta({
        description:
          'Level of the song minus the sum of its stems, in dB. Null unless all stems were made.',
      }),
    }),
  ),
  manifest: member(
    z.record(z.string(), z.unknown()).meta({
      description: 'What made this result: model, options, versions and device.',
    }),
    ({ manifest }: JobResult) => manifest as Record<string, unknown>,
  ),
});

const webhook = documentOf<JobWebhook>()('Webhook', {
  ...membersOf(
    z.object({
      url: z.string().meta({ description: 'The callback_url of the request.' }),
      status: z.enum(WEBHOOK_STATUSES).meta({
        description: 'pending: not delivered yet; failed: there will be no other attempt.',
      }),
      attempts: count.meta({ description: 'Number of attempts so far.' }),
    }),
  ),
  last_attempt_at: timeOrNull(
    'Time of the last attempt.',
    ({ lastAttemptAt }: JobWebhook) => lastAttemptAt,
  ),
  next_attempt_at: timeOrNull(
    'Time of the next attempt. Null before the job has ended and when there is no other attempt.',
    ({ nextAttemptAt }: JobWebhook) => nextAttemptAt,
  ),
  ...membersOf(
    z.object({
      lastStatus: z.int().nullable().meta({
        description: 'HTTP status of the last answer. Null if there was no answer.',
      }),
      lastError: z.string().nullable().meta({ description: 'Why the last attempt failed.' }),
    }),
  ),
});

const job = documentOf<Job & WithUrls>()('Job', {
  job_id: member(z.uuid().meta({ description: 'Id of the job.' }), ({ id }: Job) => id),
  ...state,
  created_at: time('When the job was posted.', ({ createdAt }: Job) => createdAt),
  updated_at: time('When the job last changed.', ({ updatedAt }: Job) => updatedAt),
  started_at: timeOrNull('When a worker began it.', ({ startedAt }: Job) => startedAt),
  finished_at: timeOrNull('When it ended.', ({ finishedAt }: Job) => finishedAt),
  ...membersOf(
    z.object({ attempts: count.meta({ description: 'How often a worker has begun it.' }) }),
  ),
  estimated_duration: member(
    seconds.meta({
      description: 'Seconds from posting to the end, waiting included, as estimated when posted.',
    }),
    ({ estimatedSeconds }: Job) => estimatedSeconds,
  ),
  file_name: member(
    z.string().meta({
      description:
        'Name of the uploaded file. For a link it is the link until the download has ended, then ' +
        'the title with an extension.',
    }),
    ({ request }: Job) => request.source.name,
  ),
  youtube_url: member(
    z.string().nullable().meta({ description: 'The link. Null for an uploaded file.' }),
    ({ request: { source } }: Job) => (source.kind === 'youtube' ? source.url : null),
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
  options: member(
    z.record(z.string(), z.unknown()).meta({
      description: 'Fields of the form that made the job, with all defaults and the seed.',
    }),
    ({ request }: Job) => formOf(request),
  ),
  events_url: url('its progress as server-sent events', () => 'events'),
  ws_url: url('its progress by WebSocket', () => 'ws'),
  result: member(
    result.schema.nullable().meta({ description: 'Null until the job is completed.' }),
    ({ result: made, cached, urlOf }: Job & WithUrls) =>
      made && result.encode({ ...made, cached, urlOf }),
  ),
  webhook: member(
    webhook.schema.nullable().meta({ description: 'Null without callback_url.' }),
    ({ webhook: told }: Job) => told && webhook.encode(told),
  ),
});

export const jobDocument = job.schema;
export type JobDocument = z.output<typeof jobDocument>;

export const jobUrl = (id: string): string => `${API_BASE}/jobs/${id}`;

/** @param tokens makes the tokens of the URLs, for clients that cannot set headers. */
export async function encodeJob(record: Job, tokens: UrlTokens): Promise<JobDocument> {
  const token = await tokens.sign(record);
  const query = token === undefined ? '' : `?token=${token}`;
  return job.encode({ ...record, urlOf: (what) => `${jobUrl(record.id)}/${what}${query}` });
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
  timestamp: time('When it happened.', ({ at }: JobEvent) => at),
});

/** One message, by server-sent events and by WebSocket. */
export const jobMessage = message.schema;
export type JobMessage = z.output<typeof jobMessage>;

export const encodeMessage = (jobId: string, event: JobEvent): JobMessage =>
  message.encode({ ...event, jobId });
