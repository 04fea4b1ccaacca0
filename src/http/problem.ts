/**
 * Errors as problem documents (RFC 9457): a stable code and words for people; never a stack or a path
 * of ours.
 */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { ERROR_CODES, httpStatusOf, OxboardError, type ErrorCode } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { contextOf } from './context.js';
import { PROBLEM_TYPE, type Problem } from './schemas/problem.js';

/** Seconds after which a request that failed so is worth another try. */
const RETRY_AFTER: Partial<Record<ErrorCode, number>> = {
  REDIS_UNAVAILABLE: 5,
  STORAGE_UNAVAILABLE: 5,
  SHUTTING_DOWN: 5,
  NO_WORKER: 10,
};

/** What a request that was refused so could show instead (RFC 6750). */
const CHALLENGES: Partial<Record<ErrorCode, string>> = {
  API_KEY_REQUIRED: 'Bearer realm="oxboard"',
  API_KEY_INVALID: 'Bearer realm="oxboard", error="invalid_token"',
  TOKEN_INVALID: 'Bearer realm="oxboard", error="invalid_token"',
};

/**
 * How long a client may go on sending the body of a request that was refused, so that it gets to read
 * the answer: with a connection that is reset under its hands it would not.
 */
const LINGER_MS = 2_000;

export const unknownPath: RequestHandler = (request) => {
  throw new OxboardError('PATH_NOT_FOUND', `There is nothing at ${request.path}`);
};

/** The last middleware. */
export function problemHandler({
  logger,
  metrics,
}: {
  logger: Logger;
  metrics: Metrics;
}): ErrorRequestHandler {
  // Express tells error handlers by their four parameters.
  return (error: unknown, request, response, _next) => {
    const { code, status, detail } = describe(error);
    metrics.errorsTotal.inc({ code });
    const { id, span } = contextOf(request);
    span.set({ 'oxboard.error_code': code });
    if (status >= 500) {
      logger.error('http_error', { code, error });
      span.fail(error);
    }
    if (response.headersSent) {
      // What was promised cannot be kept; only a broken connection tells so.
      response.destroy();
      return;
    }
    const retryAfter = RETRY_AFTER[code];
    if (retryAfter !== undefined) response.setHeader('Retry-After', retryAfter);
    const challenge = CHALLENGES[code];
    if (challenge !== undefined) response.setHeader('WWW-Authenticate', challenge);
    for (const name of ['Content-Length', 'Content-Disposition', 'ETag', 'Cache-Control'])
      response.removeHeader(name);
    if (!request.complete) linger(request, response);
    const problem: Problem = {
      type: `urn:oxboard:problem:${code}`,
      title: ERROR_CODES[code].meaning,
      status,
      detail,
      instance: request.originalUrl.replace(/[?#].*$/s, ''),
      code,
      request_id: id,
    };
    response.status(status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  };
}

function describe(error: unknown): { code: ErrorCode; status: number; detail: string } {
  if (error instanceof OxboardError) {
    const { code, message } = error;
    const status = httpStatusOf(code);
    // Messages about us may tell paths and addresses; those about the request are the client's own.
    return { code, status, detail: status < 500 ? message : ERROR_CODES[code].meaning };
  }
  // Express and its router refuse what they cannot read with a status of their own.
  const status = (error as { status?: unknown } | null)?.status;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { code: 'REQUEST_INVALID', status: 400, detail: 'The URL or the request is malformed' };
  }
  return { code: 'INTERNAL', status: 500, detail: ERROR_CODES.INTERNAL.meaning };
}

function linger(request: Request, response: Response): void {
  if (request.headers.expect !== undefined) {
    // The client waits for a word before it sends the body, and does not get it.
    response.setHeader('Connection', 'close');
    return;
  }
  response.once('finish', () => {
    if (request.complete) return;
    request.resume();
    const cut = setTimeout(() => request.socket.destroy(), LINGER_MS);
    cut.unref();
    request.once('end', () => clearTimeout(cut));
    request.once('close', () => clearTimeout(cut));
  });
}
