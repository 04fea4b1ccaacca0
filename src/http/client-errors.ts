/**
 * Requests that Node.js cannot read as HTTP never reach the app; they get a problem document too.
 */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { ERROR_CODES, type ErrorCode } from '../errors.js';
import { PROBLEM_TYPE, type Problem } from './schemas/problem.js';

const KNOWN: Record<string, { status: number; code: ErrorCode; detail: string }> = {
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
const MALFORMED = {
  status: 400,
  code: 'REQUEST_INVALID',
  detail: 'The request is not HTTP',
} as const;

export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code, detail } = KNOWN[error.code ?? ''] ?? MALFORMED;
  const problem: Problem = {
    type: `urn:oxboard:problem:${code}`,
    title: ERROR_CODES[code].meaning,
    status,
    detail,
    instance: '/',
    code,
    request_id: randomUUID(),
  };
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${String(Buffer.byteLength(body))}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
