/**
 * Records as Redis has them, and as the rest of the service does.
 */
import type { TraceContext } from '../observability/tracing.js';
import type {
  Job,
  JobFailure,
  JobRequest,
  JobResult,
  JobStage,
  JobStatus,
  WebhookStatus,
} from './job.js';

/** Beginning of the keys under which attempts to download a job's song put what they got. */
export const downloadsOf = (jobId: string): string => `uploads/${jobId}`;

/** The fields of a hash, one after the other, and the result as JSON. */
export type RecordReply = [fields: string[], result: string | null];

export function jobOf([flat, result]: RecordReply): Job {
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(flat[at] ?? '', flat[at + 1] ?? '');
  const text = (name: string) => fields.get(name) ?? '';
  const number = (name: string) => Number(fields.get(name) ?? 0);
  const time = (name: string) => (fields.has(name) ? number(name) : null);
  const json = (value: string | null | undefined): unknown => JSON.parse(value ?? 'null');
  return {
    id: text('id'),
    tenant: text('tenant'),
    status: text('status') as JobStatus,
    stage: text('stage') as JobStage,
    progress: number('progress'),
    attempts: number('attempts'),
    createdAt: number('createdAt'),
    updatedAt: number('updatedAt'),
    startedAt: time('startedAt'),
    finishedAt: time('finishedAt'),
    estimatedSeconds: number('estimatedSeconds'),
    requestId: text('requestId'),
    trace: json(fields.get('trace')) as TraceContext | null,
    request: JSON.parse(text('request')) as JobRequest,
    error: json(fields.get('error')) as JobFailure | null,
    result: json(result) as JobResult | null,
    cached: text('cached') === '1',
    webhook: fields.has('callbackUrl')
      ? {
          url: text('callbackUrl'),
          status: text('webhookStatus') as WebhookStatus,
          attempts: number('webhookAttempts'),
          lastAttemptAt: time('webhookLastAt'),
          nextAttemptAt: time('webhookNextAt'),
          lastStatus: time('webhookLastStatus'),
          lastError: fields.get('webhookLastError') ?? null,
        }
      : null,
  };
}
