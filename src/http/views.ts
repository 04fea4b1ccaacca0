/**
 * Jobs as clients see them.
 */
import type { Job, JobEvent } from '../jobs/job.js';
import { formOf } from './form.js';
import { API_BASE } from './routing.js';
import type { JobDocument, JobMessage } from './schemas/jobs.js';
import type { UrlTokens } from './tenant.js';

export const jobUrl = (id: string): string => `${API_BASE}/jobs/${id}`;

/** @param tokens for the URLs in it, which are for those who cannot set headers too. */
export async function jobDocument(job: Job, tokens: UrlTokens): Promise<JobDocument> {
  const { request } = job;
  const token = await tokens.sign(job);
  const query = token === undefined ? '' : `?token=${token}`;
  const urlOf = (what: string) => `${jobUrl(job.id)}/${what}${query}`;
  return {
    job_id: job.id,
    status: job.status,
    stage: job.stage,
    progress: job.progress,
    created_at: time(job.createdAt),
    updated_at: time(job.updatedAt),
    started_at: job.startedAt === null ? null : time(job.startedAt),
    finished_at: job.finishedAt === null ? null : time(job.finishedAt),
    attempts: job.attempts,
    estimated_duration: job.estimatedSeconds,
    file_name: request.source.name,
    youtube_url: request.source.kind === 'youtube' ? request.source.url : null,
    duration_seconds: request.source.durationSeconds,
    model: request.model,
    options: formOf(request),
    error: job.error && { code: job.error.code, message: job.error.message },
    events_url: urlOf('events'),
    ws_url: urlOf('ws'),
    result: resultDocument(job, urlOf),
    webhook: webhookDocument(job),
  };
}

function resultDocument(
  { cached, result }: Job,
  urlOf: (what: string) => string,
): JobDocument['result'] {
  if (!result) return null;
  return {
    stems: Object.fromEntries(
      Object.entries(result.stems).map(([name, stem]) => [
        name,
        {
          url: urlOf(`stems/${encodeURIComponent(name)}`),
          format: stem.format as JobDocumentStem['format'],
          size_bytes: stem.sizeBytes,
          duration_seconds: stem.durationSeconds,
          sample_rate: stem.sampleRate,
          channels: stem.channels,
          sha256: stem.sha256,
        },
      ]),
    ),
    zip_url: urlOf('stems.zip'),
    processing_time: result.processingSeconds,
    realtime_factor: result.realtimeFactor,
    cached,
    null_test_db: result.nullTestDb,
    manifest: result.manifest as Record<string, unknown>,
  };
}

function webhookDocument({ webhook }: Job): JobDocument['webhook'] {
  if (!webhook) return null;
  const { url, status, attempts, lastAttemptAt, nextAttemptAt, lastStatus, lastError } = webhook;
  return {
    url,
    status,
    attempts,
    last_attempt_at: lastAttemptAt === null ? null : time(lastAttemptAt),
    next_attempt_at: nextAttemptAt === null ? null : time(nextAttemptAt),
    last_status: lastStatus,
    last_error: lastError,
  };
}

type JobDocumentStem = NonNullable<JobDocument['result']>['stems'][string];

export function jobMessage(jobId: string, event: JobEvent): JobMessage {
  const { id, status, stage, progress, error, at } = event;
  return {
    id,
    event: status === 'pending' || status === 'processing' ? 'progress' : status,
    job_id: jobId,
    status,
    stage,
    progress,
    error: error && { code: error.code, message: error.message },
    timestamp: time(at),
  };
}

const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
