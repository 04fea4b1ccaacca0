/**
 * What is known of a request besides what its client says.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import { withLogContext, type Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { Span, Tracer } from '../observability/tracing.js';
import { authorise, type Access } from './access.js';
import type { Tenants } from './tenant.js';
import { endRequestSpan, startRequestSpan } from './trace.js';

export interface RequestContext {
  /** From the client or a proxy when it is a sane one. */
  id: string;
  /** Whose jobs it may see. Reading it on a route that is open to anyone is a defect. */
  readonly tenant: string;
  /** Finds the tenant. @throws OxboardError when the request does not show what `access` asks for. */
  authorise: (access: Access) => Promise<void>;
  /** The pattern of the path, for metrics: never the path itself. */
  route: string;
  /** A stream of events: its duration says nothing of the service. */
  streaming: boolean;
  /** Aborts when the client is gone, or the answer is complete. */
  signal: AbortSignal;
  /** The whole request, in its trace. */
  span: Span;
}

const SANE_ID = /^[\w.:-]{1,128}$/;

const contexts = new WeakMap<IncomingMessage, RequestContext>();

export function contextOf(request: IncomingMessage): RequestContext {
  const context = contexts.get(request);
  if (!context) throw new Error('The request came around the first middleware');
  return context;
}

/** The first middleware: gives each request its context, its log line and its place in the metrics. */
export function requestContext({
  logger,
  metrics,
  tracer,
  tenants,
}: {
  logger: Logger;
  metrics: Metrics;
  tracer: Tracer;
  tenants: Tenants;
}): RequestHandler {
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const id = given !== undefined && SANE_ID.test(given) ? given : randomUUID();
    const closed = new AbortController();
    const span = startRequestSpan(tracer, request, id);
    let tenant: string | undefined;
    const context: RequestContext = {
      id,
      get tenant() {
        if (tenant === undefined) throw new Error('The request was not authorised');
        return tenant;
      },
      async authorise(access) {
        tenant = await authorise(request, access, tenants);
      },
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
    // Who has got all may be gone before we hear of it.
    const answered = response.writableEnded || statusCode === 101;
    const status = answered ? String(statusCode) : 'aborted';
    endRequestSpan(span, request, response, { route, answered });
    metrics.apiRequestsTotal.inc({ method, route, status });
    if (!streaming) metrics.apiRequestSeconds.observe({ method, route }, seconds);
    const log = route.startsWith('/api/v1/health') ? logger.debug : logger.info;
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
