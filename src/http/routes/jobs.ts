/**
 * Jobs: the list, one of them, and its end.
 */
import { z } from 'zod';
import { findJob, jobNotFound, ofJob } from '../find-job.js';
import { encodeJob, encodeSummary, jobDocument, jobSummary } from '../job-document.js';
import { completedJob, summaryOf } from '../job-examples.js';
import { jobQuery, pageQuery, UNCACHED } from '../page-query.js';
import { defineRoute, json } from '../route.js';

export const jobList = z
  .object({
    jobs: z.array(jobSummary).meta({ description: 'Jobs of this page, newest first.' }),
    next_cursor: z
      .string()
      .nullable()
      .meta({ description: 'The cursor of the next page. Null on the last page.' }),
  })
  .meta({ id: 'JobList' });

const listJobs = defineRoute({
  method: 'get',
  url: '/jobs',
  access: 'key',
  tag: 'Jobs',
  operationId: 'listJobs',
  summary: 'List jobs.',
  description: 'The newest jobs come first. With API keys, the list has the jobs of the key only.',
  query: pageQuery,
  responses: {
    '200': json(jobList, 'One page of jobs.', {
      jobs: [summaryOf(completedJob)],
      next_cursor: null,
    }),
  },
  errors: ['REDIS_UNAVAILABLE'],
  handler:
    ({ jobs, tenants }) =>
    async ({ response, context, query }) => {
      const parts = { base: context.base, tokens: tenants };
      const page = await jobs.list(context.tenant, jobQuery(query));
      const list: z.output<typeof jobList> = {
        jobs: await Promise.all(page.jobs.map(async (job) => encodeSummary(job, parts))),
        next_cursor: page.nextCursor ?? null,
      };
      response.set(UNCACHED).json(list);
    },
});

const getJob = defineRoute({
  method: 'get',
  url: '/jobs/:id',
  access: 'key',
  tag: 'Jobs',
  operationId: 'getJob',
  summary: 'Get the progress and the result of a job.',
  ...ofJob,
  responses: { '200': json(jobDocument, 'The job.', completedJob) },
  errors: ['JOB_NOT_FOUND', 'REDIS_UNAVAILABLE'],
  handler:
    ({ jobs, tenants }) =>
    async ({ response, context, path }) => {
      const job = await findJob(path.id, context, jobs);
      response.set(UNCACHED).json(await encodeJob(job, { base: context.base, tokens: tenants }));
    },
});

const deleteJob = defineRoute({
  method: 'delete',
  url: '/jobs/:id',
  access: 'key',
  tag: 'Jobs',
  operationId: 'deleteJob',
  summary: 'Cancel or remove a job.',
  description:
    'A job that has not ended is cancelled: its work stops at once, and its record stays for a ' +
    'while. A job that has ended is removed, together with its stems.',
  ...ofJob,
  responses: { '204': { description: 'The job is cancelled or removed.' } },
  errors: ['JOB_NOT_FOUND', 'REDIS_UNAVAILABLE', 'REDIS_REFUSES_WRITES', 'STORAGE_UNAVAILABLE'],
  handler:
    ({ jobs, metrics }) =>
    async ({ response, context, path }) => {
      const outcome = await jobs.cancelOrRemove(path.id, context.tenant);
      if (outcome === undefined) throw jobNotFound();
      if (outcome === 'cancelled') metrics.jobsTotal.inc({ status: 'cancelled' });
      response.status(204).end();
    },
});

export const jobRoutes = [listJobs, getJob, deleteJob];
