/**
 * Routes as data: one definition makes the Express route and its entry in the OpenAPI document.
 */
import type { Request, RequestHandler, Response, Router } from 'express';
import { z } from 'zod';
import type {
  ZodOpenApiCallbacksObject,
  ZodOpenApiRequestBodyObject,
  ZodOpenApiResponseObject,
  ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { OxboardError, type ErrorCode } from '../errors.js';
import type { RouteDependencies } from './dependencies.js';
import { contextOf, type Parameters, type RequestContext } from './request-context.js';
import type { Access } from './tenants.js';

export const API_BASE = '/api/v1';

export type Method = 'get' | 'head' | 'post' | 'patch' | 'delete' | 'options';

/** What a request is answered from: its parameters, as their schemas give them. */
export interface Call<Path, Query, Headers> {
  request: Request;
  response: Response;
  context: RequestContext;
  path: Path;
  query: Query;
  headers: Headers;
}

/** What documents a route and does not depend on the types of its parameters. */
interface RouteBase {
  method: Method;
  /** Below {@link API_BASE}, with parameters as `:name`. */
  url: string;
  access: Access;
  tag: 'Jobs' | 'Uploads' | 'Stems' | 'Service' | 'Admin';
  operationId: string;
  summary: string;
  description?: string;
  body?: ZodOpenApiRequestBodyObject;
  callbacks?: ZodOpenApiCallbacksObject;
  /** Answers that are no errors. */
  responses: ZodOpenApiResponsesObject;
  /** What this route can fail with, besides what every route can. */
  errors: readonly ErrorCode[];
  /** The error for path parameters that do not fit their schema; without it, PATH_NOT_FOUND. */
  notFound?: () => OxboardError;
  /** Answers also while the service is being stopped. */
  whileStopping?: true;
  /** Belongs to another route and is no part of the OpenAPI document. */
  undocumented?: true;
  /** Runs after access and parameters were checked. */
  middleware?: (dependencies: RouteDependencies) => RequestHandler[];
}

export interface RouteDefinition<
  Path extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
> extends RouteBase {
  path?: Path;
  query?: Query;
  /** By their usual names, such as `Idempotency-Key`. */
  headers?: Headers;
  /** Called once when the API is made. */
  handler: (
    dependencies: RouteDependencies,
  ) => (call: Call<z.output<Path>, z.output<Query>, z.output<Headers>>) => void | Promise<void>;
}

export interface Route extends RouteBase {
  path?: z.ZodObject;
  query?: z.ZodObject;
  headers?: z.ZodObject;
  handler: (
    dependencies: RouteDependencies,
  ) => (call: Call<unknown, unknown, unknown>) => void | Promise<void>;
}

/** Ties the types of a handler to the schemas of its parameters. */
export function defineRoute<
  Path extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Headers extends z.ZodObject = z.ZodObject,
>(definition: RouteDefinition<Path, Query, Headers>): Route {
  // The call that it gets is made by the schemas beside it.
  return definition as unknown as Route;
}

/** A JSON response with an example of it. */
export const json = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  example: z.output<Schema>,
): ZodOpenApiResponseObject => ({
  description,
  content: { 'application/json': { schema, example } },
});

/** A header of a response. */
export const header = (description: string) => z.string().meta({ description });

/**
 * Serves the routes. Each checks access, then parameters; HEAD and OPTIONS are answered, other methods
 * refused with 405 and what is allowed.
 */
export function mountRoutes(
  router: Router,
  routes: readonly Route[],
  dependencies: RouteDependencies,
): void {
  for (const url of new Set(routes.map((route) => route.url))) {
    const methods = routes.filter((route) => route.url === url);
    mountUrl(router, url, methods, dependencies);
  }
}

function mountUrl(
  router: Router,
  url: string,
  methods: readonly Route[],
  dependencies: RouteDependencies,
): void {
  const byName = new Map(methods.map((route) => [route.method.toUpperCase(), route]));
  const get = byName.get('GET');
  const allowed = [...new Set([...byName.keys(), ...(get ? ['HEAD'] : []), 'OPTIONS'])].join(', ');
  if (get) byName.set('HEAD', get);

  const expressRoute = router.route(url);
  expressRoute.all(async (request, response, next) => {
    const context = contextOf(request);
    context.route = `${API_BASE}${url}`;
    const route = byName.get(request.method);
    if (dependencies.isStopping() && !route?.whileStopping) {
      throw new OxboardError('SHUTTING_DOWN', 'The service is being stopped');
    }
    if (request.method !== 'OPTIONS') {
      // Browsers send OPTIONS without credentials.
      await context.authorize(route?.access ?? methods[0]?.access ?? 'key');
    }
    if (!route || route.method === 'options') response.setHeader('Allow', allowed);
    if (route) context.parameters = readParameters(route, request);
    next();
  });
  for (const { method, middleware, handler } of methods) {
    const handle = handler(dependencies);
    expressRoute[method](...(middleware?.(dependencies) ?? []), async (request, response) => {
      const context = contextOf(request);
      await handle({ request, response, context, ...context.parameters });
    });
  }
  expressRoute.all((request, response) => {
    if (request.method !== 'OPTIONS') {
      throw new OxboardError(
        'METHOD_NOT_ALLOWED',
        `${request.method} is not possible here. Allowed: ${allowed}`,
      );
    }
    response.status(204).end();
  });
}

/** @throws OxboardError REQUEST_INVALID, or what the route says of unknown paths */
function readParameters({ path, query, headers, notFound }: Route, request: Request): Parameters {
  const inPath = path?.safeParse(request.params);
  if (inPath?.success === false) throw notFound?.() ?? pathNotFound(request);
  const given = Object.keys(headers?.shape ?? {}).map((name) => [name, request.get(name)]);
  return {
    path: inPath?.data,
    query: query && parse(query, request.query, 'parameter'),
    headers: headers && parse(headers, Object.fromEntries(given), 'header'),
  };
}

function parse(schema: z.ZodObject, given: unknown, kind: string): unknown {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new OxboardError(
    'REQUEST_INVALID',
    `The ${kind} "${String(issue?.path[0] ?? '')}" is invalid: ${issue?.message ?? ''}`,
  );
}

export const pathNotFound = ({ path }: Request): OxboardError =>
  new OxboardError('PATH_NOT_FOUND', `There is nothing at ${path}`);
