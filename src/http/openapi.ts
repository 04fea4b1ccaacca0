/**
 * The OpenAPI document, made of the routes.
 */
import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { ERROR_CODES, httpStatusOf, type ErrorCode } from '../errors.js';
import { jobMessage } from './job-document.js';
import { problemOf, problemSchema, PROBLEM_TYPE } from './problem.js';
import { API_BASE, header, type Route } from './route.js';
import { routesOf } from './routes/index.js';

/**
 * @param keyed true if the service asks for API keys.
 * @param admin true if it has an ADMIN_KEY.
 */
export function apiDocument(
  version: string,
  { keyed, admin = false }: { keyed: boolean; admin?: boolean },
): object {
  const routes = routesOf({ admin });
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    if (route.undocumented) continue;
    const path = `${API_BASE}${route.url.replaceAll(/:(\w+)/g, '{$1}')}`;
    (paths[path] ??= {})[route.method] = operationOf(route, keyed);
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'OX Board Demucs',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Separates songs into stems. Post a song to /stemify, follow the job, and get its stems. ' +
        'Errors are RFC 9457 problem documents. Programs should use their `code`.',
    },
    tags: [
      { name: 'Jobs', description: 'Post songs and follow their separation.' },
      { name: 'Uploads', description: 'Send large songs so that a cut connection can go on.' },
      { name: 'Stems', description: 'Get the stems of completed jobs.' },
      { name: 'Service', description: 'Models, health and documentation.' },
      ...(admin
        ? [{ name: 'Admin', description: 'The jobs of all clients, for the operator.' }]
        : []),
    ],
    ...(keyed && { security: [BY_KEY] }),
    paths,
    components: {
      schemas: { JobMessage: jobMessage },
      examples: Object.fromEntries(
        usedErrors(routes, keyed).map((code) => [code, { value: example(code) }]),
      ),
      ...((keyed || admin) && {
        securitySchemes: { ...(keyed && CLIENT_SCHEMES), ...(admin && ADMIN_SCHEMES) },
      }),
    },
  });
}

const BY_KEY = { apiKey: [] };
const CLIENT_SCHEMES = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'One of the API_KEYS of the service.' },
  urlToken: {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description:
      "For clients that cannot set headers. The URLs in a job's document have a token, which gives " +
      'access to that job only, to read, and expires.',
  },
} as const;

const ADMIN_SCHEMES = {
  adminKey: { type: 'http', scheme: 'bearer', description: 'The ADMIN_KEY of the service.' },
} as const;

function operationOf(route: Route, keyed: boolean): ZodOpenApiOperationObject {
  const { tag, operationId, summary, description, access, body, callbacks } = route;
  const { path, query, headers } = route;
  const requestParams = {
    ...(path && { path }),
    ...(query && { query }),
    ...(headers && { header: headers }),
  };
  return {
    tags: [tag],
    operationId,
    summary,
    ...(description !== undefined && { description }),
    ...(keyed && access === 'anyone' && { security: [] }),
    ...(keyed && access === 'token' && { security: [BY_KEY, { urlToken: [] }] }),
    ...(access === 'admin' && { security: [{ adminKey: [] }] }),
    requestParams,
    ...(body && { requestBody: body }),
    ...(callbacks && { callbacks }),
    responses: responsesOf(route, keyed),
  };
}

const BY_ACCESS = {
  anyone: [],
  key: ['API_KEY_REQUIRED', 'API_KEY_INVALID'],
  admin: ['ADMIN_KEY_INVALID', 'RATE_LIMITED', 'REDIS_UNAVAILABLE', 'REDIS_REFUSES_WRITES'],
  token: ['API_KEY_REQUIRED', 'API_KEY_INVALID', 'TOKEN_INVALID'],
} as const;

const errorsOf = (
  { errors, access, method, whileStopping }: Route,
  keyed: boolean,
): ErrorCode[] => [
  ...errors,
  ...(keyed ? [] : ['HOST_NOT_ALLOWED' as const]),
  ...(keyed || method === 'get' ? [] : ['ORIGIN_NOT_ALLOWED' as const]),
  ...BY_ACCESS[access],
  'REQUEST_INVALID',
  'INTERNAL',
  ...(whileStopping ? [] : ['SHUTTING_DOWN' as const]),
];

const usedErrors = (routes: readonly Route[], keyed: boolean): ErrorCode[] => [
  ...new Set(routes.flatMap((route) => errorsOf(route, keyed))),
];

const example = (code: ErrorCode) =>
  problemOf(
    { code, status: httpStatusOf(code), detail: ERROR_CODES[code].meaning },
    `${API_BASE}/...`,
    '7f0f9b1c-5f53-4f0e-9f7e-0d8c1f6a2b34',
  );

/** The responses of the route, and a problem document for each status of its errors. */
function responsesOf(route: Route, keyed: boolean): ZodOpenApiResponsesObject {
  const responses = { ...route.responses } as Record<string, ZodOpenApiResponseObject>;
  const codes = errorsOf(route, keyed);
  for (const status of new Set(codes.map(httpStatusOf))) {
    const own = responses[status];
    const here = codes.filter((code) => httpStatusOf(code) === status);
    const meanings = here.map((code) => `${code}: ${ERROR_CODES[code].meaning}.`);
    responses[status] = {
      description: [own?.description, ...meanings].filter(Boolean).join(' '),
      content: {
        ...own?.content,
        [PROBLEM_TYPE]: {
          schema: problemSchema,
          examples: Object.fromEntries(
            here.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
          ),
        },
      },
      ...problemHeaders(status),
    };
  }
  return responses;
}

function problemHeaders(status: number): Pick<ZodOpenApiResponseObject, 'headers'> {
  if (status === 401) {
    return { headers: z.object({ 'WWW-Authenticate': header('What the request has to show.') }) };
  }
  if ([404, 423, 429, 503].includes(status)) {
    const description = 'Seconds after which to try again.';
    return { headers: z.object({ 'Retry-After': header(description).optional() }) };
  }
  return {};
}
