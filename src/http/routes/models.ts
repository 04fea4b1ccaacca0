/**
 * The models that clients can ask for.
 */
import { z } from 'zod';
import type { WorkerModel } from '../../jobs/ports.js';
import { licenseFacts } from '../../models/license.js';
import { defineRoute, json } from '../route.js';
import { documentOf, member, membersOf } from '../document-schema.js';

const model = documentOf<WorkerModel & { serving: boolean }>()('Model', {
  ...membersOf(
    z.object({
      name: z.string().meta({ description: 'Name of the model.' }),
      sources: z.array(z.string()).meta({ description: 'Stems that it separates.' }),
      sampleRate: z.int().meta({ description: 'Its sample rate in Hz.' }),
      embedded: z
        .boolean()
        .meta({ description: 'True for the model that comes with the package.' }),
      notice: z.string().nullable().meta({ description: 'What to know before using it.' }),
      license: licenseFacts.meta({ description: 'What is known of the license of its weights.' }),
      sizeBytes: z.int().meta({ description: 'Size of its files in bytes.' }),
      realtimeFactor: z.number().nullable().meta({
        description: 'Seconds of audio per second of work. Null until it was measured.',
      }),
    }),
  ),
  segment_seconds: member(
    z.number().meta({ description: 'Greatest value of `segment`, in seconds.' }),
    ({ segment, sampleRate }: WorkerModel) => segment / sampleRate,
  ),
  available: member(
    z.boolean().meta({ description: 'True if a running worker has it.' }),
    ({ serving }: { serving: boolean }) => serving,
  ),
});

export const modelList = z
  .object({
    default_model: z
      .string()
      .nullable()
      .meta({ description: 'The model of jobs that name none. Null before any worker has run.' }),
    models: z.array(model.schema),
  })
  .meta({ id: 'ModelList' });
export type ModelListDocument = z.output<typeof modelList>;

const listModels = defineRoute({
  method: 'get',
  url: '/models',
  access: 'key',
  tag: 'Service',
  operationId: 'listModels',
  summary: 'List the models of the workers.',
  description: 'While no worker runs, the list has the models of the workers that ran last.',
  responses: {
    '200': json(modelList, 'The models.', {
      default_model: 'htdemucs',
      models: [
        {
          name: 'htdemucs',
          sources: ['drums', 'bass', 'other', 'vocals'],
          sample_rate: 44_100,
          segment_seconds: 7.8,
          embedded: false,
          notice: null,
          license: {
            name: 'none stated',
            grant: 'none',
            source: 'metadata.yaml of unblend 1.0.0 on PyPI',
            checked: '2026-11-27',
          },
          size_bytes: 168_000_000,
          realtime_factor: 1.94,
          available: true,
        },
      ],
    }),
  },
  errors: ['REDIS_UNAVAILABLE'],
  handler:
    ({ workers }) =>
    async ({ response }) => {
      const { models, defaultModel } = await workers.models();
      const list: ModelListDocument = {
        default_model: defaultModel ?? null,
        models: models.map(model.encode),
      };
      response.json(list);
    },
});

export const modelRoutes = [listModels];
