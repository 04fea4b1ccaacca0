/**
 * Whether the service works, for people and for monitoring.
 */
import { z } from 'zod';
import { OxboardError } from '../../errors.js';
import { findMissing } from '../../observability/health.js';
import type { RouteDependencies } from '../dependencies.js';
import { defineRoute, json } from '../route.js';

/** A check of the storage writes an object, which costs something, and anyone may ask for it. */
const STORAGE_CHECK_INTERVAL_MS = 1_000;

const count = z.int().min(0);

export const health = z
  .object({
    status: z.enum(['healthy', 'degraded', 'unhealthy']).meta({
      description:
        'degraded: jobs are taken, but no worker runs; unhealthy: Redis does not answer.',
    }),
    version: z.string().meta({ description: 'Version of the service.' }),
    models_available: z
      .array(z.string())
      .meta({ description: 'Models that running workers have.' }),
    queue_status: z
      .object({
        active_jobs: count.meta({ description: 'Jobs that workers are running.' }),
        queued_jobs: count.meta({ description: 'Jobs that are waiting.' }),
        workers_available: count.meta({ description: 'Workers that are running.' }),
      })
      .nullable()
      .meta({ description: 'Null when Redis does not answer.' }),
    limits: z
      .object({
        file_bytes: count.meta({ description: 'Size of an uploaded file, in bytes.' }),
        duration_seconds: count.meta({ description: 'Length of a song, in seconds.' }),
        jobs: count.meta({ description: 'Jobs that one client may post in the period.' }),
        period_seconds: count.meta({ description: 'Length of the period, in seconds.' }),
      })
      .meta({ description: 'The most that the service takes.' }),
    pulls: z
      .array(
        z.object({
          model: z.string(),
          status: z.enum(['pulling', 'waiting']),
          progress: z.number().min(0).max(100),
          error: z.object({ code: z.string(), message: z.string() }).nullable(),
        }),
      )
      .meta({
        description:
          'Models that workers are pulling (DEMUCS_AUTO_PULL), with progress in percent. waiting: ' +
          'an attempt failed, and there will be another one.',
      }),
  })
  .meta({ id: 'Health' });
export type HealthDocument = z.output<typeof health>;

const liveness = z.object({ status: z.literal('alive') }).meta({ id: 'Liveness' });

const MISSING = ['redis', 'redis_writes', 'storage', 'workers', 'shutting_down'] as const;

export const readiness = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    missing: z.array(z.enum(MISSING)).meta({
      description:
        'Empty when the service is ready. redis_writes: Redis answers but refuses writes, because its ' +
        'memory or its disk is full, or it is a replica.',
    }),
  })
  .meta({ id: 'Readiness' });
type Readiness = z.output<typeof readiness>;

/** Of the examples. */
const LIMITS = { file_bytes: 52_428_800, duration_seconds: 600, jobs: 5, period_seconds: 3600 };

const getHealth = defineRoute({
  method: 'get',
  url: '/health',
  access: 'anyone',
  tag: 'Service',
  operationId: 'health',
  summary: 'Get the state of the service.',
  responses: {
    '200': json(health, 'Jobs are taken.', {
      status: 'healthy',
      version: '0.1.0',
      models_available: ['htdemucs'],
      queue_status: { active_jobs: 1, queued_jobs: 3, workers_available: 1 },
      limits: LIMITS,
      pulls: [],
    }),
    '503': json(health, 'Redis does not answer.', {
      status: 'unhealthy',
      version: '0.1.0',
      models_available: [],
      queue_status: null,
      limits: LIMITS,
      pulls: [],
    }),
  },
  errors: [],
  handler:
    (dependencies) =>
    async ({ response }) => {
      const report = await healthOf(dependencies);
      response.status(report.status === 'unhealthy' ? 503 : 200).json(report);
    },
});

const getLiveness = defineRoute({
  method: 'get',
  url: '/health/live',
  access: 'anyone',
  tag: 'Service',
  operationId: 'live',
  summary: 'Check that the process answers.',
  description: 'Nothing else is checked.',
  whileStopping: true,
  responses: { '200': json(liveness, 'The process answers.', { status: 'alive' }) },
  errors: [],
  handler:
    () =>
    ({ response }) => {
      const alive: z.output<typeof liveness> = { status: 'alive' };
      response.json(alive);
    },
});

const getReadiness = defineRoute({
  method: 'get',
  url: '/health/ready',
  access: 'anyone',
  tag: 'Service',
  operationId: 'ready',
  summary: 'Check that the service has everything that jobs need.',
  whileStopping: true,
  responses: {
    '200': json(readiness, 'Nothing is missing.', { status: 'ready', missing: [] }),
    '503': json(readiness, 'Something is missing.', { status: 'not_ready', missing: ['workers'] }),
  },
  errors: [],
  handler: (dependencies) => {
    const missingNow = createChecks(dependencies);
    return async ({ response }) => {
      const missing = dependencies.isStopping() ? ['shutting_down' as const] : await missingNow();
      const report: Readiness = {
        status: missing.length === 0 ? 'ready' : 'not_ready',
        missing,
      };
      response.status(missing.length === 0 ? 200 : 503).json(report);
    };
  },
});

export const healthRoutes = [getHealth, getLiveness, getReadiness];

function createChecks({
  jobs,
  workers,
  storage,
}: RouteDependencies): () => Promise<Readiness['missing']> {
  let writableAtMs = -Infinity;

  async function requireStorage(): Promise<void> {
    if (performance.now() - writableAtMs < STORAGE_CHECK_INTERVAL_MS) return;
    await storage.check();
    writableAtMs = performance.now();
  }

  async function requireWorker(): Promise<void> {
    if ((await workers.list()).length > 0) return;
    throw new OxboardError('NO_WORKER', 'No worker runs');
  }

  return async () => {
    const missing = await findMissing([
      { name: 'redis', check: async () => jobs.counts() },
      { name: 'redis_writes', check: () => jobs.checkWrites() },
      { name: 'storage', check: requireStorage },
      { name: 'workers', check: requireWorker },
    ]);
    const names = missing.map(({ name }) => name as Readiness['missing'][number]);
    // Without Redis nothing is known about the rest that is in it.
    const inRedis: readonly string[] = ['redis_writes', 'workers'];
    return names.includes('redis') ? names.filter((name) => !inRedis.includes(name)) : names;
  };
}

async function healthOf({
  jobs,
  workers,
  version,
  limits,
}: RouteDependencies): Promise<HealthDocument> {
  const facts = {
    version,
    limits: {
      file_bytes: limits.fileBytes,
      duration_seconds: limits.durationSeconds,
      jobs: limits.jobs,
      period_seconds: limits.periodSeconds,
    },
  };
  try {
    const [counts, live, { models }] = await Promise.all([
      jobs.counts(),
      workers.list(),
      workers.models(),
    ]);
    return {
      status: live.length > 0 ? 'healthy' : 'degraded',
      ...facts,
      models_available: models.filter(({ serving }) => serving).map(({ name }) => name),
      queue_status: {
        active_jobs: counts.processing,
        queued_jobs: counts.pending,
        workers_available: live.length,
      },
      pulls: live.flatMap(({ pull }) => pull ?? []),
    };
  } catch (error) {
    if (!(error instanceof OxboardError) || error.code !== 'REDIS_UNAVAILABLE') throw error;
    return {
      status: 'unhealthy',
      ...facts,
      models_available: [],
      queue_status: null,
      pulls: [],
    };
  }
}
