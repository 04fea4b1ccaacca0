/**
 * The job that a path names, or 404: for ids that are malformed, unknown, deleted, or another's alike.
 */
import type { Request } from 'express';
import { OxboardError } from '../errors.js';
import type { Job, JobResult } from '../jobs/job.js';
import type { Jobs } from '../jobs/ports.js';
import { contextOf } from './context.js';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id in the path, if it can be one. @throws OxboardError JOB_NOT_FOUND */
export function jobId(request: Request): string {
  const { id } = request.params;
  if (typeof id === 'string' && ID.test(id)) return id;
  throw jobNotFound();
}

/** @throws OxboardError JOB_NOT_FOUND */
export async function findJob(request: Request, jobs: Jobs): Promise<Job> {
  const job = await jobs.get(jobId(request), contextOf(request).tenant);
  if (!job) throw jobNotFound();
  return job;
}

/** @throws OxboardError JOB_NOT_FOUND, JOB_NOT_COMPLETED */
export async function findResult(
  request: Request,
  jobs: Jobs,
): Promise<{ job: Job; result: JobResult }> {
  const job = await findJob(request, jobs);
  if (job.status !== 'completed' || !job.result) {
    throw new OxboardError('JOB_NOT_COMPLETED', `The job is ${job.status} and has no stems`);
  }
  return { job, result: job.result };
}

export const jobNotFound = (): OxboardError =>
  new OxboardError('JOB_NOT_FOUND', 'There is no such job, or no more');
