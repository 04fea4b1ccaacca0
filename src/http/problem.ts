/**
 * Errors as problem documents (RFC 9457): a stable code and a sentence, never a stack or a path of
 * this machine.
 */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import 'zod-openapi';
import { ERROR_CODES, httpStatusOf, OxboardError, type ErrorCode } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { contextOf } from './request-context.js';

export const PROBLEM_TYPE = 'application/problem+json';

export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'URI of the kind of problem.', format: 'uri' }),
    title: z.string().meta({ description: 'What the code means.' }),
    status: z.int().min(400).max(599).meta({ description: 'HTTP status.' }),
    detail: z.string().meta({ description: 'What is wrong with this request, as a sentence.' }),
    error: z.string().meta({ description: 'The same text as detail.' }),
    instance: z.string().meta({ description: 'Path of the request.' }),
    code: z
      .enum(Object.keys(ERROR_CODES) as [ErrorCode])
      .meta({ description: 'Stable code of the problem. Programs should use this one.' }),
    request_id: z.string().meta({ description: 'Id of the request, as in the log.' }),
  })
  .meta({ id: 'Problem' });

export type Problem = z.output<typeof problemSchema>;

interface Description {
  code: ErrorCode;
  status: number;
  detail: string;
}

export const problemOf = (
  { code, status, detail }: Description,
  instance: string,
  requestId: string,
): Problem => ({
  type: `urn:oxboard:problem:${code}`,
  title: ERROR_CODES[code].meaning,
  status,
  detail,
  error: detail,
  instance,
  code,
  request_id: requestId,
});

/** A malformed request for which HTTP has a more exact status than 400. */
class MalformedRequest extends OxboardError {
  readonly status: number;

  constructor(status: number, message: string) {
    super('REQUEST_INVALID', message);
    this.status = status;
  }
}

/** Seconds after which a request that failed by this code may be tried again. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = {
  REDIS_UNAVAILABLE: 5,
  REDIS_REFUSES_WRITES: 30,
  STORAGE_UNAVAILABLE: 5,
  SHUTTING_DOWN: 5,
  NO_WORKER: 10,
  CHUNK_NOT_READY: 1,
  UPLOAD_BUSY: 1,
  UPLOADS_TOO_MANY: 60,
};

/** The WWW-Authenticate header of a refused request (RFC 6750). */
const CHALLENGES: Partial<Record<ErrorCode, string>> = {
  API_KEY_REQUIRED: 'Bearer realm="oxboard"',
  API_KEY_INVALID: 'Bearer realm="oxboard", error="invalid_token"',
  ADMIN_KEY_INVALID: 'Bearer realm="oxboard admin"',
  TOKEN_INVALID: 'Bearer realm="oxboard", error="invalid_token"',
};

/**
 * How long a client may go on sending the body of a refused request. If the connection were reset at
 * once, the client could not read the answer.
 */
const LINGER_MS = 2_000;

/** The headers that Node.js leaves to us. @throws OxboardError REQUEST_INVALID */
export const checkHeaders: RequestHandler = ({ headers, httpVersion }, _response, next) => {
  if (headers.host === undefined && httpVersion !== '1.0') {
    throw new OxboardError('REQUEST_INVALID', 'The request has no Host header');
  }
  if (headers.expect !== undefined && !/^100-continue$/i.test(headers.expect)) {
    throw new MalformedRequest(417, 'The Expect header can only be "100-continue"');
  }
  next();
};

/** The last middleware. */
export function problemHandler({
  logger,
  metrics,
}: {
  logger: Logger;
  metrics: Metrics;
}): ErrorRequestHandler {
  // Express recognizes error handlers by their four parameters.
  return (error: unknown, request, response, _next) => {
    const description = describe(error);
    const { code, status } = description;
    metrics.errorsTotal.inc({ code });
    const { id, span } = contextOf(request);
    span.set({ 'oxboard.error_code': code });
    if (status >= 500) {
      logger.error('http_error', { code, error });
      span.fail(error);
    }
    if (response.headersSent) {
      // A part of the answer is gone; only a broken connection shows that it is not whole.
      response.destroy();
      return;
    }
    const retryAfter = RETRY_AFTER_SECONDS[code];
    if (retryAfter !== undefined) response.setHeader('Retry-After', retryAfter);
    const challenge = CHALLENGES[code];
    if (challenge !== undefined) response.setHeader('WWW-Authenticate', challenge);
    for (const name of ['Content-Length', 'Content-Disposition', 'ETag'])
      response.removeHeader(name);
    response.setHeader('Cache-Control', 'no-store');
    if (!request.complete) linger(request, response);
    const problem = problemOf(description, request.originalUrl.replace(/[?#].*$/s, ''), id);
    response.status(status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  };
}

function describe(error: unknown): Description {
  if (error instanceof OxboardError) {
    const { code, message } = error;
    const status = error instanceof MalformedRequest ? error.status : httpStatusOf(code);
    // Messages about this machine may contain paths and addresses; the client gets the meaning only.
    return { code, status, detail: status < 500 ? message : ERROR_CODES[code].meaning };
  }
  // Express and its router refuse what they cannot read with a status of their own.
  const status = (error as { status?: unknown } | null)?.status;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { code: 'REQUEST_INVALID', status: 400, detail: 'The URL or the request is malformed' };
  }
  return { code: 'INTERNAL', status: 500, detail: ERROR_CODES.INTERNAL.meaning };
}

/** Takes what the client still sends, for a while, before the connection ends. */
export function linger(request: Request, response: Response): void {
  if (request.headers.expect !== undefined) {
    // The client waits for permission to send the body, and does not get it.
    response.setHeader('Connection', 'close');
    return;
  }
  response.once('finish', () => {
    if (request.complete) return;
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
    timer.unref();
    request.once('end', () => clearTimeout(timer));
    request.once('close', () => clearTimeout(timer));
  });
}

/** By the code that Node.js gives for a request that it cannot read. */
const UNREADABLE: Record<string, Description> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'REQUEST_INVALID',
    detail: 'The headers of the request are too long',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'UPLOAD_TIMEOUT',
    detail: 'The request took too long',
  },
};
const NOT_HTTP: Description = {
  status: 400,
  code: 'REQUEST_INVALID',
  detail: 'The request is not HTTP',
};

/** Answers what Node.js cannot read as a request, so that it never reaches the app. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  write(socket, UNREADABLE[error.code ?? ''] ?? NOT_HTTP);
}

/** Answers CONNECT, which names a host instead of a path. */
export function answerConnect(_request: unknown, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  write(socket, {
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    detail: 'CONNECT is not possible: this service is not a proxy',
  });
}

function write(socket: Duplex, description: Description): void {
  const { status } = description;
  const body = JSON.stringify(problemOf(description, '/', randomUUID()));
  socket.end(
    `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${String(Buffer.byteLength(body))}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
