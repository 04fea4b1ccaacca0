/**
 * The operator's routes: the queue and the jobs of all tenants, and the workers.
 */
import { z } from 'zod';
import { OxboardError } from '../../errors.js';
import type { Administration } from '../../jobs/ports.js';
import { adminJob, adminJobExample, encodeAdminJob, type AdminJob } from '../admin-job.js';
import type { RouteDependencies } from '../dependencies.js';
import { jobNotFound, ofJob } from '../find-job.js';
import { jobQuery, pageQuery, UNCACHED } from '../page-query.js';
import { defineRoute, json } from '../route.js';

const count = z.int().min(0);

const lane = z
  .object({
    jobs: count.meta({ description: 'Jobs that wait.' }),
    oldest_seconds: z
      .number()
      .min(0)
      .meta({ description: 'Seconds for which the first job has waited.' }),
  })
  .meta({ id: 'Lane' });

export const queueDocument = z
  .object({
    paused: z.boolean().meta({ description: 'True while workers take no jobs.' }),
    pending: count.meta({ description: 'Jobs that wait.' }),
    processing: count.meta({ description: 'Jobs that are worked on.' }),
    lanes: z.object({ short: lane, long: lane, downloads: lane }).meta({
      description: 'What waits: short jobs, long jobs, and songs behind links.',
    }),
  })
  .meta({ id: 'Queue' });
export type QueueDocument = z.output<typeof queueDocument>;

const workerDocument = z
  .object({
    id: z.string().meta({ description: 'Host, process and a random part.' }),
    version: z.string(),
    device: z.string().meta({ description: 'cpu or cuda:N.' }),
    concurrency: count.meta({ description: 'Jobs that it runs at a time.' }),
    default_model: z.string(),
    models: z.array(z.string()).meta({ description: 'Names of its models.' }),
    jobs: z.array(adminJob).meta({ description: 'Jobs that it runs now.' }),
  })
  .meta({ id: 'Worker' });

export const workersDocument = z
  .object({
    workers: z.array(workerDocument).meta({ description: 'Workers that are running.' }),
    downloads: z.array(adminJob).meta({ description: 'Jobs whose songs are being downloaded.' }),
  })
  .meta({ id: 'Workers' });
export type WorkersDocument = z.output<typeof workersDocument>;

export const adminJobList = z
  .object({
    jobs: z.array(adminJob).meta({ description: 'Jobs of this page, newest first.' }),
    next_cursor: z.string().nullable().meta({ description: 'Null on the last page.' }),
  })
  .meta({ id: 'AdminJobList' });
export type AdminJobListDocument = z.output<typeof adminJobList>;

const queueOf = async (administration: Administration): Promise<QueueDocument> => {
  const { lanes, ...counts } = await administration.queue();
  const laneOf = (name: keyof typeof lanes) => ({
    jobs: lanes[name].count,
    oldest_seconds: lanes[name].oldestMs / 1000,
  });
  return {
    ...counts,
    lanes: { short: laneOf('short'), long: laneOf('long'), downloads: laneOf('downloads') },
  };
};

const EMPTY_LANE = { jobs: 0, oldest_seconds: 0 };
const QUEUE_EXAMPLE: QueueDocument = {
  paused: false,
  pending: 3,
  processing: 1,
  lanes: { short: { jobs: 3, oldest_seconds: 41.2 }, long: EMPTY_LANE, downloads: EMPTY_LANE },
};

const admin = { access: 'admin', tag: 'Admin' } as const;
const JOB_ERRORS = ['JOB_NOT_FOUND'] as const;

const getQueue = defineRoute({
  ...admin,
  method: 'get',
  url: '/admin/queue',
  operationId: 'adminQueue',
  summary: 'Get the queue of all clients in figures.',
  responses: { '200': json(queueDocument, 'The queue.', QUEUE_EXAMPLE) },
  errors: [],
  handler:
    ({ administration }) =>
    async ({ response }) => {
      response.set(UNCACHED).json(await queueOf(administration));
    },
});

const getWorkers = defineRoute({
  ...admin,
  method: 'get',
  url: '/admin/workers',
  operationId: 'adminWorkers',
  summary: 'List the workers, and the jobs that each runs.',
  responses: {
    '200': json(workersDocument, 'The workers.', {
      workers: [
        {
          id: 'host-1234-0b0c6f3e',
          version: '0.1.0',
          device: 'cpu',
          concurrency: 2,
          default_model: 'htdemucs',
          models: ['htdemucs'],
          jobs: [adminJobExample],
        },
      ],
      downloads: [],
    }),
  },
  errors: [],
  handler:
    ({ administration }) =>
    async ({ response }) => {
      const { workers, downloads } = await administration.workers();
      const document: WorkersDocument = {
        workers: workers.map(
          ({ id, version, device, concurrency, defaultModel, models, jobs }) => ({
            id,
            version,
            device,
            concurrency,
            default_model: defaultModel,
            models: models.map(({ name }) => name),
            jobs: jobs.map(encodeAdminJob),
          }),
        ),
        downloads: downloads.map(encodeAdminJob),
      };
      response.set(UNCACHED).json(document);
    },
});

const listJobs = defineRoute({
  ...admin,
  method: 'get',
  url: '/admin/jobs',
  operationId: 'adminJobs',
  summary: 'List the jobs of all clients.',
  query: pageQuery,
  responses: {
    '200': json(adminJobList, 'One page of jobs.', { jobs: [adminJobExample], next_cursor: null }),
  },
  errors: [],
  handler:
    ({ administration }) =>
    async ({ response, query }) => {
      const page = await administration.list(jobQuery(query));
      const list: AdminJobListDocument = {
        jobs: page.jobs.map(encodeAdminJob),
        next_cursor: page.nextCursor ?? null,
      };
      response.set(UNCACHED).json(list);
    },
});

/** @throws OxboardError JOB_NOT_FOUND */
async function documentOf(id: string, administration: Administration): Promise<AdminJob> {
  const job = await administration.get(id);
  if (!job) throw jobNotFound();
  return encodeAdminJob(job);
}

const getJob = defineRoute({
  ...admin,
  method: 'get',
  url: '/admin/jobs/:id',
  operationId: 'adminJob',
  summary: 'Get a job of any client.',
  ...ofJob,
  responses: { '200': json(adminJob, 'The job.', adminJobExample) },
  errors: JOB_ERRORS,
  handler:
    ({ administration }) =>
    async ({ response, path }) => {
      response.set(UNCACHED).json(await documentOf(path.id, administration));
    },
});

/** A change of one job. `refusal` is for a job in another state, which stays as it is. */
const jobAction = ({
  action,
  summary,
  description,
  status,
  refusal,
}: {
  action: 'cancel' | 'retry';
  summary: string;
  description: string;
  /** What the job becomes. */
  status: 'cancelled' | 'pending';
  refusal: { code: 'JOB_ENDED' | 'JOB_NOT_FAILED'; message: string };
}) =>
  defineRoute({
    ...admin,
    method: 'post',
    url: `/admin/jobs/:id/${action}`,
    operationId: action === 'cancel' ? 'adminCancel' : 'adminRetry',
    summary,
    description,
    ...ofJob,
    responses: { '200': json(adminJob, 'The job.', adminJobExample) },
    errors: [...JOB_ERRORS, refusal.code],
    handler:
      ({ administration, metrics, logger }: RouteDependencies) =>
      async ({ response, request, path: { id } }) => {
        const outcome = await administration[action](id);
        if (outcome === undefined) throw jobNotFound();
        if (outcome === 'refused') throw new OxboardError(refusal.code, refusal.message);
        metrics.jobsTotal.inc({ status });
        logger.info('admin_action', { action, job_id: id, client: request.ip });
        response.set(UNCACHED).json(await documentOf(id, administration));
      },
  });

const switchRoute = (action: 'pause' | 'resume', summary: string, description: string) =>
  defineRoute({
    ...admin,
    method: 'post',
    url: `/admin/${action}`,
    operationId: action === 'pause' ? 'adminPause' : 'adminResume',
    summary,
    description,
    responses: { '200': json(queueDocument, 'The queue.', QUEUE_EXAMPLE) },
    errors: [],
    handler:
      ({ administration, logger }: RouteDependencies) =>
      async ({ response, request }) => {
        await administration.setPaused(action === 'pause');
        logger.info('admin_action', { action, client: request.ip });
        response.set(UNCACHED).json(await queueOf(administration));
      },
  });

export const adminRoutes = [
  getQueue,
  getWorkers,
  listJobs,
  getJob,
  jobAction({
    action: 'cancel',
    summary: 'Cancel a job of any client.',
    description: 'Its work stops at once. Its record stays until JOB_TTL.',
    status: 'cancelled',
    refusal: { code: 'JOB_ENDED', message: 'The job has ended, and cannot be cancelled' },
  }),
  jobAction({
    action: 'retry',
    summary: 'Try a failed job of any client again.',
    description: 'It waits again, with all its attempts. Its song is kept as long as its record.',
    status: 'pending',
    refusal: { code: 'JOB_NOT_FAILED', message: 'Only a job that failed can be tried again' },
  }),
  switchRoute(
    'pause',
    'Pause the queue.',
    'Workers take no more jobs. Those that run go on; new ones are accepted, and wait.',
  ),
  switchRoute('resume', 'Resume the queue.', 'Workers take jobs again, within seconds.'),
];
