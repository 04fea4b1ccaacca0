/**
 * POST /stemify: its form is made of the options of options.ts, by its own names.
 */
import { z } from 'zod';
import 'zod-openapi';
import { jobOptions, separatedName, type JobOptions } from '../../options.js';

/** The form's name of an option. */
export const fieldOf = (option: string): string =>
  option === 'format' ? 'output_format' : separatedName(option, '_');

/** Fields of the form that are options, and which. */
export const OPTION_OF_FIELD: ReadonlyMap<string, keyof JobOptions> = new Map(
  jobOptions.keyof().options.map((option) => [fieldOf(option), option]),
);

export const modelName = z.string().min(1).max(100);

const REFERENCE_CHARACTERS = 200;

/** By what a client knows a job. */
export const clientReference = z
  .string()
  .min(1)
  .refine((text) => Array.from(text).length <= REFERENCE_CHARACTERS, {
    message: `it has up to ${String(REFERENCE_CHARACTERS)} characters`,
  })
  .meta({ override: { maxLength: REFERENCE_CHARACTERS } });

/** What `normalize` means: texts for true and false, as forms have them. */
export const normalizeFlag = z.stringbool();

export const stemifyForm = z
  .strictObject({
    file: z
      .unknown()
      .optional()
      .meta({
        description:
          'The song: an audio or video file. Either this, upload_id, youtube_url or source_url',
        override: { type: 'string', format: 'binary' },
      }),
    youtube_url: z.string().max(2048).optional().meta({
      description:
        'A link to a video with the song, instead of a file; to a host of YOUTUBE_ALLOWED_HOSTS',
    }),
    source_url: z
      .string()
      .max(2048)
      .optional()
      .meta({
        description:
          'A link to an audio or video file, instead of a file; to a host of SOURCE_URL_HOSTS, by http ' +
          'or https. Its query is in no document of the job',
      }),
    upload_id: z.uuid().optional().meta({
      description: 'The last part of the URL of an upload (/uploads) that is complete',
    }),
    model: modelName.optional().meta({ description: "One of /models; without it, the service's" }),
    ...Object.fromEntries(
      [...OPTION_OF_FIELD].map(([field, option]) => [field, jobOptions.shape[option]]),
    ),
    normalize: normalizeFlag.optional().meta({
      description:
        "As OX Board's own front end sends it: true is clip_mode=rescale, false is clip_mode=clamp",
      override: { type: 'string', enum: ['true', 'false'] },
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
    client_reference: clientReference.optional().meta({
      description:
        'Your own name for the job, of up to 200 characters: the document of the job has it, and ' +
        'lists can be filtered by it',
    }),
  })
  .meta({
    id: 'StemifyForm',
    override: {
      oneOf: ['file', 'upload_id', 'youtube_url', 'source_url'].map((field) => ({
        required: [field],
      })),
    },
  });

export const FIELD_NAMES = Object.keys(stemifyForm.shape);
