import type { Router } from 'express';
import { OxboardError } from '../../errors.js';
import { findMissing } from '../../observability/health.js';
import type { Jobs, Workers } from '../../jobs/ports.js';
import type { Storage } from '../../storage/storage.js';
import { serve } from '../routing.js';
import type { Health, ModelList, Readiness } from '../schemas/service.js';

/** Milliseconds: looking writes an object, which costs something, and anyone may ask for it. */
const STORAGE_LOOKS = 1_000;

export interface ServiceDependencies {
  jobs: Jobs;
  workers: Workers;
  storage: Storage;
  version: string;
  isStopping: () => boolean;
}

/** What the service tells of itself: models and health. */
export function serviceRoutes(router: Router, dependencies: ServiceDependencies): void {
  const { jobs, workers, storage, version, isStopping } = dependencies;
  let writableAt = -Infinity;

  serve(router, '/models', 'key', {
    get: async (_request, response) => {
      const { models, defaultModel } = await workers.models();
      const list: ModelList = {
        default_model: defaultModel ?? null,
        models: models.map((model) => ({
          name: model.name,
          sources: model.sources,
          sample_rate: model.sampleRate,
          segment_seconds: model.segment / model.sampleRate,
          embedded: model.embedded,
          notice: model.notice,
          license: model.license,
          size_bytes: model.sizeBytes,
          realtime_factor: model.realtimeFactor,
          available: model.serving,
        })),
      };
      response.json(list);
    },
  });

  serve(router, '/health', 'anyone', {
    get: async (_request, response) => {
      const report = await health();
      response.status(report.status === 'unhealthy' ? 503 : 200).json(report);
    },
  });

  serve(router, '/health/live', 'anyone', {
    get: (_request, response) => {
      response.json({ status: 'alive' });
    },
  });

  serve(router, '/health/ready', 'anyone', {
    get: async (_request, response) => {
      const missing = isStopping() ? ['shutting_down' as const] : await missingNow();
      const readiness: Readiness = {
        status: missing.length === 0 ? 'ready' : 'not_ready',
        missing,
      };
      response.status(missing.length === 0 ? 200 : 503).json(readiness);
    },
  });

  async function missingNow(): Promise<('redis' | 'storage' | 'workers')[]> {
    const missing = await findMissing([
      { name: 'redis', check: async () => jobs.counts() },
      { name: 'storage', check: requireStorage },
      { name: 'workers', check: requireWorker },
    ]);
    const names = missing.map(({ name }) => name as 'redis' | 'storage' | 'workers');
    // Without Redis nothing is known of workers.
    return names.includes('redis') ? names.filter((name) => name !== 'workers') : names;
  }

  async function requireStorage(): Promise<void> {
    if (performance.now() - writableAt < STORAGE_LOOKS) return;
    await storage.check();
    writableAt = performance.now();
  }

  async function requireWorker(): Promise<void> {
    if ((await workers.list()).length > 0) return;
    throw new OxboardError('NO_WORKER', 'No worker runs');
  }

  async function health(): Promise<Health> {
    try {
      const [counts, live, { models }] = await Promise.all([
        jobs.counts(),
        workers.list(),
        workers.models(),
      ]);
      return {
        status: live.length > 0 ? 'healthy' : 'degraded',
        version,
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
      return { status: 'unhealthy', version, models_available: [], queue_status: null, pulls: [] };
    }
  }
}
