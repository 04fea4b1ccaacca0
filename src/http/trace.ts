/**
 * A request as a span of a trace: the client's own, when it tells one (W3C Trace Context).
 */
import type { Request, Response } from 'express';
import { NO_TRACER, type Span, type Tracer } from '../observability/tracing.js';

/** Asked for every few seconds by whoever watches the service: they would drown the rest. */
const PROBES = '/api/v1/health';

export function startRequestSpan(tracer: Tracer, request: Request, requestId: string): Span {
  const { method, path, headers } = request;
  if (!tracer.enabled || path.startsWith(PROBES)) return NO_TRACER.start(method);
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
export function endRequestSpan(
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

const single = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(',') : header;
