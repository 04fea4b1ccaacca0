/**
 * POST /stemify: its form is made of the options of options.ts, by its own names.
 */
import { z } from 'zod';
import 'zod-openapi';
import { jobOptions, type JobOptions } from '../../options.js';

/** Fields of the form that are options, and which. */
export const OPTION_OF_FIELD = {
  output_format: 'format',
  bit_depth: 'bitDepth',
  bitrate: 'bitrate',
  sample_rate: 'sampleRate',
  stems: 'stems',
  two_stems: 'twoStems',
  other_method: 'otherMethod',
  clip_mode: 'clipMode',
  shifts: 'shifts',
  overlap: 'overlap',
  segment: 'segment',
  seed: 'seed',
} as const satisfies Record<string, keyof JobOptions>;

/** Fields that are numbers, though a form holds only texts. */
export const NUMERIC_FIELDS: readonly string[] = [
  'bitrate',
  'sample_rate',
  'shifts',
  'overlap',
  'segment',
  'seed',
];

export const modelName = z.string().min(1).max(100);

export const stemifyForm = z
  .strictObject({
    file: z
      .unknown()
      .optional()
      .meta({
        description: 'The song: any kind of audio that ffmpeg reads. Either this or youtube_url',
        override: { type: 'string', format: 'binary' },
      }),
    youtube_url: z.string().max(2048).optional().meta({
      description:
        'A link to a video with the song, instead of a file; to a host of YOUTUBE_ALLOWED_HOSTS',
    }),
    model: modelName.optional().meta({ description: "One of /models; without it, the service's" }),
    ...(Object.fromEntries(
      Object.entries(OPTION_OF_FIELD).map(([field, option]) => [field, jobOptions.shape[option]]),
    ) as {
      [F in keyof typeof OPTION_OF_FIELD]: (typeof jobOptions.shape)[(typeof OPTION_OF_FIELD)[F]];
    }),
    stems: jobOptions.shape.stems.meta({
      description: 'Names of stems, between commas or in fields of their own; without it, all',
    }),
    callback_url: z
      .string()
      .max(2048)
      .optional()
      .meta({
        description:
          'The job is posted there when it has ended. An http: or https: URL on the public Internet, ' +
          'port 80 or 443; needs WEBHOOK_SECRET on the service',
      }),
  })
  .meta({
    id: 'StemifyForm',
    override: { oneOf: [{ required: ['file'] }, { required: ['youtube_url'] }] },
  });

export const FIELD_NAMES = Object.keys(stemifyForm.shape);
