/**
 * What the service keeps about a request: id, tenant, parameters, trace; its log line and metrics.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';
import { sha256Hex } from '../lib/hash.js';
import { URL_PATH } from '../lib/url-path.js';
import { withLogContext, type Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { NO_TRACER, type Span, type Tracer } from '../observability/tracing.js';
import type { AdminCheck } from './admin-key.js';
import { tenantOfRequest, type Access, type Tenants } from './tenants.js';

export interface RequestContext {
  /** From the client or a proxy if it is valid. */
  id: string;
  /**
   * What precedes {@link API_BASE} in the URLs that this client uses: the path that a proxy has removed,
   * and BASE_PATH.
   */
  readonly base: string;
  /** Whose jobs it may see. Reading it on a route that is open to anyone is a defect. */
  readonly tenant: string;
  /** With whom its jobs take turns: the tenant or, without API keys, a hash of the address. */
  readonly client: string;
  /** Finds the tenant. @throws OxboardError when the request does not show what `access` asks for. */
  authorize: (access: Access) => Promise<void>;
  /** As the schemas of the route give them. */
  parameters: Parameters;
  /** The pattern of the path, for metrics: never the path itself. */
  route: string;
  /** True for a stream of events, whose duration says nothing about the service. */
  streaming: boolean;
  /** Aborts when the client is gone, or the answer is complete. */
  signal: AbortSignal;
  /** The whole request, in its trace. */
  span: Span;
}

export interface Parameters {
  path: unknown;
  query: unknown;
  headers: unknown;
}

/** Requested every few seconds by monitoring: kept out of traces, and out of the log by default. */
const PROBES = '/api/v1/health';

/** Every URL in an answer repeats it. */
const MAX_PREFIX_LENGTH = 200;

const VALID_ID = /^[\w.:-]{1,128}$/;

const contexts = new WeakMap<IncomingMessage, RequestContext>();

export function contextOf(request: IncomingMessage): RequestContext {
  const context = contexts.get(request);
  if (!context) throw new Error('The first middleware has not seen the request');
  return context;
}

/** The first middleware. It makes the context of each request, and records it when it has ended. */
export function requestContext({
  logger,
  metrics,
  tracer,
  tenants,
  checkAdmin,
  basePath,
}: {
  logger: Logger;
  metrics: Metrics;
  tracer: Tracer;
  tenants: Tenants;
  /** Undefined without ADMIN_KEY. */
  checkAdmin: AdminCheck | undefined;
  basePath: string;
}): RequestHandler {
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const id = given !== undefined && VALID_ID.test(given) ? given : randomUUID();
    const closed = new AbortController();
    const span = startRequestSpan(tracer, request, id, basePath);
    let tenant: string | undefined;
    const context: RequestContext = {
      id,
      base: `${removedPrefix(request)}${basePath}`,
      get tenant() {
        if (tenant === undefined) throw new Error('The request was not authorized');
        return tenant;
      },
      get client() {
        return tenants.keyed ? context.tenant : clientOf(request.ip);
      },
      async authorize(access) {
        if (access !== 'admin') tenant = await tenantOfRequest(request, access, tenants);
        else if (checkAdmin) await checkAdmin(request, clientOf(request.ip));
        else throw new Error('A route of the operator without ADMIN_KEY');
      },
      parameters: { path: undefined, query: undefined, headers: undefined },
      route: 'unmatched',
      streaming: false,
      signal: closed.signal,
      span,
    };
    contexts.set(request, context);
    response.setHeader('X-Request-Id', id);

    const started = performance.now();
    // Unknown once the connection is closed.
    const client = request.ip;
    response.once('close', () => {
      closed.abort(new Error('The client is gone'));
      span.run(() =>
        record(request, response, context, {
          seconds: (performance.now() - started) / 1000,
          client,
          tenant: tenants.keyed ? tenant : undefined,
        }),
      );
    });
    span.run(() => withLogContext({ request_id: id }, next));
  };

  function record(
    request: Request,
    response: Response,
    { id, route, streaming, span }: RequestContext,
    {
      seconds,
      client,
      tenant,
    }: { seconds: number; client: string | undefined; tenant: string | undefined },
  ): void {
    const { method } = request;
    const { statusCode } = response;
    // A client that has got everything may be gone before we know.
    const answered = response.writableEnded || statusCode === 101;
    const status = answered ? String(statusCode) : 'aborted';
    endRequestSpan(span, request, response, { route, answered });
    metrics.apiRequestsTotal.inc({ method, route, status });
    if (!streaming) metrics.apiRequestSeconds.observe({ method, route }, seconds);
    const log = route.startsWith(PROBES) ? logger.debug : logger.info;
    log('http_request', {
      request_id: id,
      method,
      // Without the query, which may hold a token.
      path: request.originalUrl.split('?', 1)[0],
      status,
      duration: Number(seconds.toFixed(4)),
      client,
      tenant,
    });
  }
}

/** The span of a request continues the client's trace if it names one (W3C Trace Context). */
function startRequestSpan(
  tracer: Tracer,
  request: Request,
  requestId: string,
  basePath: string,
): Span {
  const { method, path, headers } = request;
  if (!tracer.enabled || path.startsWith(`${basePath}${PROBES}`)) return NO_TRACER.start(method);
  const { traceparent, tracestate } = headers;
  return tracer.start(method, {
    kind: 'server',
    parent: { traceparent: single(traceparent), tracestate: single(tracestate) },
    attributes: {
      'http.request.method': method,
      'url.scheme': request.protocol,
      // Without the query, which may hold a token.
      'url.path': path,
      'client.address': request.ip,
      'user_agent.original': request.get('user-agent'),
      'oxboard.request_id': requestId,
    },
  });
}

/**
 * @param route the pattern of the path.
 * @param answered false when the client was gone before it had the answer.
 */
function endRequestSpan(
  span: Span,
  { method }: Request,
  { statusCode }: Response,
  { route, answered }: { route: string; answered: boolean },
): void {
  const known = route.startsWith('/');
  if (known) span.rename(`${method} ${route}`);
  span.set({
    'http.route': known ? route : undefined,
    ...(answered ? { 'http.response.status_code': statusCode } : { 'oxboard.aborted': true }),
  });
  span.end();
}

/** The path that a proxy in front of us has removed. Only a proxy that is trusted is believed. */
function removedPrefix(request: Request): string {
  const prefix = request.get('x-forwarded-prefix')?.replace(/\/$/, '') ?? '';
  const isTrusted = request.app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  const valid = prefix.length <= MAX_PREFIX_LENGTH && URL_PATH.test(prefix);
  return valid && isTrusted(request.socket.remoteAddress ?? '', 0) ? prefix : '';
}

/** An IPv6 client has a whole network of addresses, which is one client. */
const clientOf = (address = ''): string =>
  sha256Hex(`oxboard client\n${ipKeyGenerator(address)}`).slice(0, 32);

const single = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(',') : header;
