/**
 * The OpenAPI document, made of the schemas that the routes use.
 */
import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { ERROR_CODES, httpStatusOf, type ErrorCode } from '../errors.js';
import { API_BASE } from './routing.js';
import {
  eventsQuery,
  jobDocument,
  jobList,
  jobMessage,
  jobPath,
  listQuery,
  stemPath,
} from './schemas/jobs.js';
import { problem, PROBLEM_TYPE } from './schemas/problem.js';
import { health, liveness, modelList, readiness } from './schemas/service.js';
import { accepted, stemifyForm, stemifyHeaders } from './schemas/stemify.js';

/** @param keyed whether the service asks for API keys. */
export function apiDocument(version: string, { keyed }: { keyed: boolean }): object {
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'OX Board Demucs',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Music stem separation. Post a song to /stemify, watch the job, fetch its stems. ' +
        'Errors are RFC 9457 problem documents; rely on their `code`.',
    },
    tags: [{ name: 'Jobs' }, { name: 'Stems' }, { name: 'Service' }],
    ...(keyed && { security: [BY_KEY], components: { securitySchemes: SECURITY_SCHEMES } }),
    paths: Object.fromEntries(
      Object.entries(PATHS).map(([path, methods]) => [
        `${API_BASE}${path}`,
        keyed ? methods : withoutSecurity(methods),
      ]),
    ),
  });
}

type Methods = Record<string, ZodOpenApiOperationObject>;

const withoutSecurity = (methods: Methods): Methods =>
  Object.fromEntries(
    Object.entries(methods).map(([method, { security: _, ...operation }]) => [method, operation]),
  );

const BY_KEY = { apiKey: [] };
const TO_ANYONE = { security: [] };
const BY_KEY_OR_TOKEN = { security: [BY_KEY, { urlToken: [] }] };
const SECURITY_SCHEMES = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'One of API_KEYS' },
  urlToken: {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description:
      "For clients that cannot set headers: it is part of the URLs in a job's document, reads what " +
      'belongs to that job, and expires',
  },
} as const;

const json = (schema: z.ZodType, description: string): ZodOpenApiResponseObject => ({
  description,
  content: { 'application/json': { schema } },
});

const header = (description: string) => z.string().meta({ description });

/** Problems by status: what every call can meet that needs a key, and what this one can besides. */
const problems = (...codes: ErrorCode[]): ZodOpenApiResponsesObject =>
  problemsOf(
    ...codes,
    'REQUEST_INVALID',
    'API_KEY_REQUIRED',
    'API_KEY_INVALID',
    'INTERNAL',
    'SHUTTING_DOWN',
  );

function problemsOf(...codes: ErrorCode[]): ZodOpenApiResponsesObject {
  const responses: Record<string, ZodOpenApiResponseObject> = {};
  for (const code of new Set(codes)) {
    const status = httpStatusOf(code);
    const before = responses[status]?.description;
    const description = `${code}: ${ERROR_CODES[code].meaning}`;
    responses[status] = {
      description: before === undefined ? description : `${before}. ${description}`,
      content: { [PROBLEM_TYPE]: { schema: problem } },
      ...((status === 429 || status === 503) && {
        headers: z.object({ 'Retry-After': header('Seconds').optional() }),
      }),
      ...(status === 401 && {
        headers: z.object({ 'WWW-Authenticate': header('What to show instead') }),
      }),
    };
  }
  return responses;
}

const binary = (...types: string[]) =>
  Object.fromEntries(
    types.map((type) => [type, { schema: { type: 'string' as const, format: 'binary' } }]),
  );

const AUDIO = binary('audio/wav', 'audio/flac', 'audio/mpeg', 'audio/ogg', 'audio/mp4');

const conditional = { 'If-None-Match': header('An ETag that the client has').optional() };

const stemHeaders = z.object({
  ETag: header('Of its bytes'),
  'Content-Disposition': header('A name for the file'),
});

const WEBHOOK: ZodOpenApiOperationObject = {
  summary: 'The job has ended: completed, failed or cancelled',
  description:
    'By Standard Webhooks. Told at least once: again with the same webhook-id, for up to a day, ' +
    'until the answer is 2xx, or 410 to end it. Redirects are not followed.',
  security: [],
  requestParams: {
    header: z.object({
      'webhook-id': header('The job_id, by which to know what comes twice'),
      'webhook-timestamp': header('Seconds since 1970'),
      'webhook-signature': header(
        '"v1," and HMAC-SHA256 in base64 over id, timestamp and body with dots between',
      ),
    }),
  },
  requestBody: { required: true, content: { 'application/json': { schema: jobDocument } } },
  responses: { '204': { description: 'Any 2xx: it was received' } },
};

const PATHS: Record<string, Methods> = {
  '/stemify': {
    post: {
      tags: ['Jobs'],
      operationId: 'stemify',
      summary: 'Separate a song',
      requestParams: { header: stemifyHeaders },
      requestBody: {
        required: true,
        content: { 'multipart/form-data': { schema: stemifyForm } },
      },
      callbacks: { finished: { '{$request.body#/callback_url}': { post: WEBHOOK } } },
      responses: {
        '202': {
          ...json(accepted, 'The job that does it'),
          headers: z.object({ Location: header('Path of the job') }),
        },
        ...problems(
          'UPLOAD_TIMEOUT',
          'IDEMPOTENCY_CONFLICT',
          'FILE_TOO_LARGE',
          'AUDIO_TOO_LONG',
          'MEDIA_TYPE_UNSUPPORTED',
          'INPUT_NOT_AUDIO',
          'INPUT_EMPTY',
          'INVALID_OPTION',
          'YOUTUBE_HOST_NOT_ALLOWED',
          'YOUTUBE_PLAYLIST',
          'WEBHOOKS_DISABLED',
          'ADDRESS_NOT_PUBLIC',
          'MODEL_NOT_FOUND',
          'RATE_LIMITED',
          'REDIS_UNAVAILABLE',
          'STORAGE_UNAVAILABLE',
          'NO_WORKER',
          'DISK_FULL',
        ),
      },
    },
  },
  '/jobs': {
    get: {
      tags: ['Jobs'],
      operationId: 'listJobs',
      summary: 'Jobs, newest first',
      requestParams: { query: listQuery },
      responses: { '200': json(jobList, 'A page of them'), ...problems('REDIS_UNAVAILABLE') },
    },
  },
  '/jobs/{id}': {
    get: {
      tags: ['Jobs'],
      operationId: 'getJob',
      summary: 'How far a job has come, and its result',
      requestParams: { path: jobPath },
      responses: {
        '200': json(jobDocument, 'The job'),
        ...problems('JOB_NOT_FOUND', 'REDIS_UNAVAILABLE'),
      },
    },
    delete: {
      tags: ['Jobs'],
      operationId: 'deleteJob',
      summary: 'Cancel a job that is not finished; remove one that is, with its stems',
      requestParams: { path: jobPath },
      responses: {
        '204': { description: 'Done' },
        ...problems('JOB_NOT_FOUND', 'REDIS_UNAVAILABLE', 'STORAGE_UNAVAILABLE'),
      },
    },
  },
  '/jobs/{id}/stems/{stem}': {
    get: {
      tags: ['Stems'],
      operationId: 'getStem',
      ...BY_KEY_OR_TOKEN,
      summary: 'A stem',
      requestParams: {
        path: stemPath,
        header: z.object({
          ...conditional,
          Range: header('Such as bytes=0-1023').optional(),
          'If-Range': header('An ETag: the range is of those bytes only').optional(),
        }),
      },
      responses: {
        '200': { description: 'All of it', headers: stemHeaders, content: AUDIO },
        '206': {
          description: 'The range asked for',
          headers: stemHeaders.extend({ 'Content-Range': header('Which bytes these are') }),
          content: AUDIO,
        },
        '304': { description: 'The client has it' },
        '307': {
          description: 'With STORAGE_DOWNLOADS=redirect: where it is, for an hour',
          headers: z.object({ Location: header('A signed URL of the storage') }),
        },
        ...problems(
          'TOKEN_INVALID',
          'JOB_NOT_FOUND',
          'STEM_NOT_FOUND',
          'JOB_NOT_COMPLETED',
          'RANGE_NOT_SATISFIABLE',
          'REDIS_UNAVAILABLE',
          'STORAGE_UNAVAILABLE',
        ),
      },
    },
  },
  '/jobs/{id}/stems.zip': {
    get: {
      tags: ['Stems'],
      operationId: 'getStems',
      ...BY_KEY_OR_TOKEN,
      summary: 'All stems as one archive',
      requestParams: { path: jobPath, header: z.object(conditional) },
      responses: {
        '200': {
          description: 'The archive',
          headers: stemHeaders,
          content: binary('application/zip'),
        },
        '304': { description: 'The client has it' },
        ...problems(
          'TOKEN_INVALID',
          'JOB_NOT_FOUND',
          'JOB_NOT_COMPLETED',
          'REDIS_UNAVAILABLE',
          'STORAGE_UNAVAILABLE',
        ),
      },
    },
  },
  '/jobs/{id}/events': {
    get: {
      tags: ['Jobs'],
      operationId: 'watchJob',
      ...BY_KEY_OR_TOKEN,
      summary: 'Progress as server-sent events, until the job is finished',
      description:
        'Events `progress`, `completed`, `failed` and `cancelled`, each with a JobMessage as its ' +
        'data. The first one is the current state, or what came after Last-Event-ID.',
      requestParams: {
        path: jobPath,
        query: eventsQuery,
        header: z.object({ 'Last-Event-ID': header('The last event that was seen').optional() }),
      },
      responses: {
        '200': {
          description: 'The stream',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        '204': { description: 'The client has seen the last event of a finished job' },
        ...problems('TOKEN_INVALID', 'JOB_NOT_FOUND', 'REDIS_UNAVAILABLE'),
      },
    },
  },
  '/jobs/{id}/ws': {
    get: {
      tags: ['Jobs'],
      operationId: 'watchJobBySocket',
      ...BY_KEY_OR_TOKEN,
      summary: 'The same messages by WebSocket',
      requestParams: { path: jobPath, query: eventsQuery },
      responses: {
        '101': {
          description: 'Messages follow; closed with 1000 after the last one',
          content: { 'application/json': { schema: jobMessage } },
        },
        ...problems(
          'TOKEN_INVALID',
          'JOB_NOT_FOUND',
          'ORIGIN_NOT_ALLOWED',
          'UPGRADE_REQUIRED',
          'REDIS_UNAVAILABLE',
        ),
      },
    },
  },
  '/models': {
    get: {
      tags: ['Service'],
      operationId: 'listModels',
      summary: 'Models of the workers',
      responses: { '200': json(modelList, 'The models'), ...problems('REDIS_UNAVAILABLE') },
    },
  },
  '/health': {
    get: {
      tags: ['Service'],
      operationId: 'health',
      ...TO_ANYONE,
      summary: 'How the service is',
      responses: {
        '200': json(health, 'Jobs are taken'),
        '503': json(health, 'Redis does not answer'),
        ...problemsOf('REQUEST_INVALID', 'INTERNAL'),
      },
    },
  },
  '/health/live': {
    get: {
      tags: ['Service'],
      operationId: 'live',
      ...TO_ANYONE,
      summary: 'Whether the process answers; asks nothing else',
      responses: {
        '200': json(liveness, 'It does'),
        ...problemsOf('REQUEST_INVALID', 'INTERNAL'),
      },
    },
  },
  '/health/ready': {
    get: {
      tags: ['Service'],
      operationId: 'ready',
      ...TO_ANYONE,
      summary: 'Whether all is there that jobs need, and what is missing',
      responses: {
        '200': json(readiness, 'All is there'),
        '503': json(readiness, 'Something is missing'),
        ...problemsOf('REQUEST_INVALID', 'INTERNAL'),
      },
    },
  },
  '/openapi.json': {
    get: {
      tags: ['Service'],
      operationId: 'document',
      ...TO_ANYONE,
      summary: 'This document',
      responses: {
        '200': json(z.record(z.string(), z.unknown()), 'OpenAPI 3.1'),
        ...problemsOf('REQUEST_INVALID', 'INTERNAL', 'SHUTTING_DOWN'),
      },
    },
  },
  '/docs': {
    get: {
      tags: ['Service'],
      operationId: 'docs',
      ...TO_ANYONE,
      summary: 'This document as a page',
      responses: {
        '200': {
          description: 'The page',
          content: { 'text/html': { schema: { type: 'string' } } },
        },
        '308': { description: 'With a slash at the end: to where it is' },
        ...problemsOf('REQUEST_INVALID', 'INTERNAL', 'SHUTTING_DOWN'),
      },
    },
  },
};
