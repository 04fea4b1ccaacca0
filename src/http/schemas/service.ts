/**
 * What the service tells of itself.
 */
import { z } from 'zod';
import 'zod-openapi';

export const modelList = z
  .object({
    default_model: z.string().nullable(),
    models: z.array(
      z.object({
        name: z.string(),
        sources: z.array(z.string()).meta({ description: 'Stems that it separates' }),
        sample_rate: z.int(),
        segment_seconds: z.number(),
        embedded: z.boolean(),
        notice: z.string().nullable(),
        license: z.string().nullable(),
        size_bytes: z.int(),
        realtime_factor: z
          .number()
          .nullable()
          .meta({ description: 'Seconds of audio per second of work; null until measured' }),
        available: z.boolean().meta({ description: 'Whether a worker that runs now has it' }),
      }),
    ),
  })
  .meta({ id: 'ModelList' });
export type ModelList = z.output<typeof modelList>;

export const health = z
  .object({
    status: z.enum(['healthy', 'degraded', 'unhealthy']).meta({
      description: 'degraded: jobs are taken, but no worker runs; unhealthy: Redis does not answer',
    }),
    version: z.string(),
    models_available: z.array(z.string()),
    queue_status: z
      .object({
        active_jobs: z.int().min(0),
        queued_jobs: z.int().min(0),
        workers_available: z.int().min(0),
      })
      .nullable()
      .meta({ description: 'Null when it is unknown' }),
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
          'Models that workers fetch (DEMUCS_AUTO_PULL); waiting: a try failed, and the next will come',
      }),
  })
  .meta({ id: 'Health' });
export type Health = z.output<typeof health>;

export const liveness = z.object({ status: z.literal('alive') });

export const readiness = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    missing: z.array(z.enum(['redis', 'storage', 'workers', 'shutting_down'])),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.output<typeof readiness>;
