/**
 * The job that a path names. An id that is malformed, unknown, deleted or another tenant's gives the
 * same 404.
 */
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import type { Job, JobResult } from '../jobs/job.js';
import type { Jobs } from '../jobs/ports.js';
import type { RequestContext } from './request-context.js';

export const jobPath = z.object({
  id: z
    .string()
    .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    .meta({
      description: 'The job_id of the job.',
      examples: ['0b0c6f3e-6a3f-4c57-9a34-5d0c8f4c2a17'],
    }),
});

export const jobNotFound = (): OxboardError =>
  new OxboardError('JOB_NOT_FOUND', 'There is no such job, or it was removed');

/** For the routes of a job. */
export const ofJob = { path: jobPath, notFound: jobNotFound };

/** @throws OxboardError JOB_NOT_FOUND */
export async function findJob(id: string, { tenant }: RequestContext, jobs: Jobs): Promise<Job> {
  const job = await jobs.get(id, tenant);
  if (!job) throw jobNotFound();
  return job;
}

/** @throws OxboardError JOB_NOT_FOUND, JOB_NOT_COMPLETED */
export async function findResult(
  id: string,
  context: RequestContext,
  jobs: Jobs,
): Promise<{ job: Job; result: JobResult }> {
  const job = await findJob(id, context, jobs);
  if (job.status !== 'completed' || !job.result) {
    throw new OxboardError('JOB_NOT_COMPLETED', `The job is ${job.status} and has no stems`);
  }
  return { job, result: job.result };
}
