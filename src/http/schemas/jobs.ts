/**
 * What the service tells of jobs.
 */
import { z } from 'zod';
import 'zod-openapi';
import { FORMATS } from '../../options.js';
import { JOB_STAGES, JOB_STATUSES, WEBHOOK_STATUSES } from '../../jobs/job.js';

export const jobStatus = z.enum(JOB_STATUSES).meta({ id: 'JobStatus' });
const jobStage = z.enum(JOB_STAGES).meta({ id: 'JobStage' });
const progress = z.number().min(0).max(100).meta({ description: 'Per cent, over all stages' });
const time = z.iso.datetime();
const seconds = z.number().min(0);
const failure = z
  .object({ code: z.string(), message: z.string() })
  .nullable()
  .meta({ description: 'Why the job failed' });

/** A path on this service, which needs no header. */
const url = (what: string) =>
  z.string().meta({
    description: `${what}: a path on this service; with API keys it carries a token that expires`,
  });

const stem = z
  .object({
    url: url('The audio'),
    format: z.enum(FORMATS),
    size_bytes: z.int().min(0),
    duration_seconds: seconds,
    sample_rate: z.int().min(1),
    channels: z.int().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .meta({ id: 'Stem' });

const result = z
  .object({
    stems: z.record(z.string(), stem),
    zip_url: url('All stems as one archive'),
    processing_time: seconds.meta({ description: 'Seconds that the work took' }),
    realtime_factor: seconds.meta({ description: 'Seconds of audio per second of work' }),
    cached: z.boolean().meta({ description: 'Whether an equal job had been done before' }),
    null_test_db: z
      .number()
      .nullable()
      .meta({ description: 'Level of the song minus the sum of its stems, when all were made' }),
    manifest: z.record(z.string(), z.unknown()).meta({ description: 'What made this result' }),
  })
  .meta({ id: 'Result' });

const webhook = z
  .object({
    url: z.string().meta({ description: 'callback_url' }),
    status: z.enum(WEBHOOK_STATUSES).meta({
      description: 'pending: it is still to be told; failed: given up',
    }),
    attempts: z.int().min(0),
    last_attempt_at: time.nullable(),
    next_attempt_at: time.nullable(),
    last_status: z.int().nullable().meta({ description: 'What the receiver answered last' }),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Webhook' });

export const jobDocument = z
  .object({
    job_id: z.uuid(),
    status: jobStatus,
    stage: jobStage,
    progress,
    created_at: time,
    updated_at: time,
    started_at: time.nullable(),
    finished_at: time.nullable(),
    attempts: z.int().min(0),
    estimated_duration: seconds,
    file_name: z.string().meta({
      description:
        'Of the upload; with a link, that until it is downloaded, then the title with an extension',
    }),
    youtube_url: z.string().nullable().meta({ description: 'The link; null for an upload' }),
    duration_seconds: seconds
      .nullable()
      .meta({ description: 'Of the song, as its header says; null while it is not known' }),
    model: z.string(),
    options: z.record(z.string(), z.unknown()).meta({
      description: 'The fields of the form that made it, complete with defaults and seed',
    }),
    error: failure,
    events_url: url('Its progress by server-sent events'),
    ws_url: url('Its progress by WebSocket'),
    result: result.nullable(),
    webhook: webhook.nullable().meta({ description: 'Null without callback_url' }),
  })
  .meta({ id: 'Job' });
export type JobDocument = z.output<typeof jobDocument>;

export const jobList = z
  .object({
    jobs: z.array(jobDocument),
    next_cursor: z.string().nullable().meta({ description: 'Null on the last page' }),
  })
  .meta({ id: 'JobList' });
export type JobList = z.output<typeof jobList>;

/** One message, by SSE and by WebSocket. */
export const jobMessage = z
  .object({
    id: z.string().meta({ description: 'For Last-Event-ID' }),
    event: z.enum(['progress', 'completed', 'failed', 'cancelled']),
    job_id: z.uuid(),
    status: jobStatus,
    stage: jobStage,
    progress,
    error: failure,
    timestamp: time,
  })
  .meta({ id: 'JobMessage' });
export type JobMessage = z.output<typeof jobMessage>;

export const listQuery = z.object({
  status: jobStatus.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().min(1).max(200).optional(),
});

export const eventsQuery = z.object({
  last_event_id: z
    .string()
    .optional()
    .meta({ description: 'As the Last-Event-ID header, for clients that cannot set headers' }),
});

export const jobPath = z.object({ id: z.string().meta({ description: 'job_id' }) });
export const stemPath = jobPath.extend({ stem: z.string().meta({ description: 'Its name' }) });
