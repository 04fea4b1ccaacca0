/**
 * Uploads that go on after a cut connection: the tus protocol. A job is made of one by POST /stemify.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { OxboardError } from '../../errors.js';
import type { ResumableLimits } from '../../jobs/ports.js';
import {
  answerTus,
  checkTusVersion,
  findUpload,
  uploadNotFound,
  TUS_VERSION,
} from '../resumable.js';
import { API_BASE, defineRoute, header } from '../route.js';

const path = z.object({
  id: z.uuid().meta({ description: 'Id of the upload: the last part of its URL.' }),
});
const ofUpload = { path, notFound: uploadNotFound };

const tusResumable = {
  'Tus-Resumable': z
    .string()
    .optional()
    .meta({ description: 'Version of the protocol.', examples: [TUS_VERSION] }),
};
const bytes = (description: string) =>
  z
    .string()
    .optional()
    .meta({ description, examples: ['52428800'] });

const answered = {
  'Tus-Resumable': header('Version of the protocol.'),
  'Upload-Offset': header('How many bytes are there.').optional(),
};

const song = {
  content: {
    'application/offset+octet-stream': { schema: { type: 'string' as const, format: 'binary' } },
  },
};

const COMMON_ERRORS = [
  'TUS_VERSION_UNSUPPORTED',
  'UPLOAD_NOT_FOUND',
  'UPLOAD_BUSY',
  'REDIS_UNAVAILABLE',
  'REDIS_REFUSES_WRITES',
  'STORAGE_UNAVAILABLE',
] as const;
const BODY_ERRORS = ['FILE_TOO_LARGE', 'UPLOAD_TIMEOUT', 'DISK_FULL'] as const;

const beginUpload = defineRoute({
  method: 'post',
  url: '/uploads',
  access: 'key',
  tag: 'Uploads',
  operationId: 'beginUpload',
  summary: 'Begin a resumable upload.',
  description:
    'Uploads follow the tus protocol 1.0.0 (https://tus.io). When all bytes are there, make a job of ' +
    'them: POST /stemify with upload_id. An upload of which no job is made is removed after ' +
    'RESUMABLE_UPLOAD_TTL.',
  headers: z.object({
    ...tusResumable,
    'Upload-Length': bytes('Size of the file in bytes.'),
    'Upload-Metadata': z
      .string()
      .optional()
      .meta({
        description:
          'Its "filename", in base64, is the name of the song. Other names are left out.',
        examples: ['filename c29uZy5tcDM='],
      }),
  }),
  body: { required: false, ...song },
  responses: {
    '201': {
      description: 'The upload has begun.',
      headers: z.object({ ...answered, Location: header('Path of the upload.') }),
    },
  },
  errors: [
    ...COMMON_ERRORS,
    ...BODY_ERRORS,
    'INPUT_EMPTY',
    'UPLOADS_TOO_MANY',
    'UPLOADS_TOO_LARGE',
  ],
  handler:
    (dependencies) =>
    async ({ request, response, context }) => {
      checkTusVersion(request, response);
      const { uploads, store, limits } = dependencies.resumable;
      const id = randomUUID();
      try {
        await answerTus(request, response, {
          id,
          dependencies,
          async onCreate({ name, sizeBytes }) {
            if (sizeBytes === 0) throw new OxboardError('INPUT_EMPTY', 'The file is empty');
            await store.requireSpace(sizeBytes);
            const { tenant, client } = context;
            const full = await uploads.begin({ id, tenant, client, name, sizeBytes }, limits);
            if (full !== undefined) throw tooMuch(full, limits);
          },
        });
      } catch (error) {
        await uploads.remove(id).catch(() => undefined);
        throw error;
      }
      response.location(`${context.base}${API_BASE}/uploads/${id}`).end();
    },
});

const continueUpload = defineRoute({
  method: 'patch',
  url: '/uploads/:id',
  access: 'key',
  tag: 'Uploads',
  operationId: 'continueUpload',
  summary: 'Send the next bytes of an upload.',
  description:
    'What has come is kept when the connection breaks: ask by HEAD how far it came, and go on there.',
  ...ofUpload,
  headers: z.object({
    ...tusResumable,
    'Upload-Offset': bytes('Where these bytes begin: how many are there already.'),
  }),
  body: { required: true, ...song },
  responses: {
    '204': { description: 'The bytes are there.', headers: z.object(answered) },
  },
  errors: [...COMMON_ERRORS, ...BODY_ERRORS, 'UPLOAD_OFFSET_CONFLICT'],
  handler:
    (dependencies) =>
    async ({ request, response, context, path: { id } }) => {
      checkTusVersion(request, response);
      const { sizeBytes } = await findUpload(id, context, dependencies);
      const { 'content-length': length } = request.headers;
      const { store } = dependencies.resumable;
      await store.requireSpace(Math.min(Number(length ?? sizeBytes), sizeBytes));
      await answerTus(request, response, { id, dependencies });
      response.end();
    },
});

const getUpload = defineRoute({
  method: 'head',
  url: '/uploads/:id',
  access: 'key',
  tag: 'Uploads',
  operationId: 'getUpload',
  summary: 'Get how many bytes of an upload are there.',
  ...ofUpload,
  headers: z.object(tusResumable),
  responses: {
    '200': {
      description: 'The upload.',
      headers: z.object({ ...answered, 'Upload-Length': header('Size of the file in bytes.') }),
    },
  },
  errors: COMMON_ERRORS,
  handler:
    (dependencies) =>
    async ({ request, response, context, path: { id } }) => {
      checkTusVersion(request, response);
      await findUpload(id, context, dependencies);
      await answerTus(request, response, { id, dependencies });
      response.end();
    },
});

const deleteUpload = defineRoute({
  method: 'delete',
  url: '/uploads/:id',
  access: 'key',
  tag: 'Uploads',
  operationId: 'deleteUpload',
  summary: 'Remove an upload.',
  ...ofUpload,
  headers: z.object(tusResumable),
  responses: {
    '204': {
      description: 'The upload is removed.',
      headers: z.object({ 'Tus-Resumable': answered['Tus-Resumable'] }),
    },
  },
  errors: COMMON_ERRORS,
  handler:
    (dependencies) =>
    async ({ request, response, context, path: { id } }) => {
      checkTusVersion(request, response);
      await findUpload(id, context, dependencies);
      // Whoever still sends it is asked to end first.
      await answerTus(request, response, { id, dependencies });
      await dependencies.resumable.uploads.remove(id);
      response.end();
    },
});

/** What the service can do of the protocol, for clients that ask before they begin. */
const optionsOf = (url: string) =>
  defineRoute({
    method: 'options',
    url,
    access: 'anyone',
    tag: 'Uploads',
    operationId: 'getUploadOptions',
    summary: 'Get the version and the extensions of the protocol.',
    responses: { '204': { description: 'The headers tell.' } },
    errors: [],
    undocumented: true,
    handler:
      (dependencies) =>
      async ({ request, response }) => {
        response.set('Tus-Resumable', TUS_VERSION);
        await answerTus(request, response, { id: '', dependencies });
        response.end();
      },
  });

export const uploadRoutes = [
  beginUpload,
  optionsOf('/uploads'),
  continueUpload,
  getUpload,
  deleteUpload,
  optionsOf('/uploads/:id'),
];

function tooMuch(full: 'open' | 'bytes', { mostOpen, mostBytes }: ResumableLimits): OxboardError {
  const advice = 'Make a job of an upload, or delete one';
  return full === 'open'
    ? new OxboardError(
        'UPLOADS_TOO_MANY',
        `${String(mostOpen)} uploads are open, which is the limit (RESUMABLE_UPLOADS). ${advice}`,
      )
    : new OxboardError(
        'UPLOADS_TOO_LARGE',
        `With this one, the open uploads would have more than ${String(mostBytes)} bytes, which is ` +
          `the limit (RESUMABLE_UPLOAD_BYTES). ${advice}`,
      );
}
