/**
 * An HTTP server of files that misbehaves as it is told.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from './listen.js';

interface Context {
  after: (hook: () => unknown) => void;
}

/** Answers one request; undefined leaves it to the next fault, and at last to the honest server. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  server: FileServer,
) => boolean;

export interface FileServer {
  url: URL;
  /** By path. May be changed while it serves. */
  files: Record<string, Buffer>;
  /** What was asked for, in order. */
  requests: { path: string; range: string; ifRange: string; authorization: string }[];
  /** One is used up by each request. */
  faults: Fault[];
  /** Left out of answers: what a poor server does not have. */
  without: Set<'etag' | 'ranges' | 'length'>;
}

export async function serveFiles(
  context: Context,
  files: Record<string, Buffer>,
  faults: Fault[] = [],
): Promise<FileServer> {
  const http = createServer((request, response) => {
    const { range = '', 'if-range': ifRange = '', authorization = '' } = request.headers;
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    server.requests.push({ path, range, ifRange: String(ifRange), authorization });
    const fault = server.faults.shift();
    if (fault?.(request, response, server)) return;
    honest(request, response, server);
  });
  const url = new URL(`http://${await listen(context, http)}/`);
  const server: FileServer = { url, files, requests: [], faults, without: new Set() };
  return server;
}

const etagOf = (body: Buffer): string =>
  `"${createHash('sha256').update(body).digest('hex').slice(0, 12)}"`;

/** Writes status and headers; what of the body they promise is returned. */
function begin(request: IncomingMessage, response: ServerResponse, server: FileServer): Buffer {
  const body = server.files[decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname)];
  if (!body) {
    response.writeHead(404).end('no such file');
    return Buffer.alloc(0);
  }
  const { without } = server;
  const etag = etagOf(body);
  const { range, 'if-range': ifRange } = request.headers;
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? NaN);
  const partly =
    !without.has('ranges') && !Number.isNaN(from) && [undefined, etag].includes(ifRange as string);
  if (!without.has('etag')) response.setHeader('etag', etag);
  if (partly && from >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${String(body.length)}` });
    return Buffer.alloc(0);
  }
  const part = partly ? body.subarray(from) : body;
  if (!without.has('length')) response.setHeader('content-length', part.length);
  if (partly) {
    const last = String(body.length - 1);
    response.writeHead(206, {
      'content-range': `bytes ${String(from)}-${last}/${String(body.length)}`,
    });
  } else response.writeHead(200);
  return part;
}

const honest: Fault = (request, response, server) => {
  const part = begin(request, response, server);
  if (!response.writableEnded) response.end(part);
  return true;
};

/** Sends so many bytes of the body and breaks the connection. */
export const breakAfter =
  (bytes: number): Fault =>
  (request, response, server) => {
    const part = begin(request, response, server);
    response.write(part.subarray(0, bytes), () => response.socket?.destroy());
    if (bytes === 0) response.flushHeaders();
    return true;
  };

/** Sends so many bytes and then nothing more. */
export const stallAfter =
  (bytes: number): Fault =>
  (request, response, server) => {
    const part = begin(request, response, server);
    response.flushHeaders();
    response.write(part.subarray(0, bytes));
    return true;
  };

export const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Fault =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
    return true;
  };

/** Promises `length` bytes, whatever the file has, sends the file, and ends. */
export const lieAboutLength =
  (length: number): Fault =>
  (request, response, server) => {
    const body = server.files[new URL(request.url ?? '/', 'http://x').pathname] ?? Buffer.alloc(0);
    response.socket?.end(
      Buffer.concat([
        Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${String(length)}\r\n\r\n`),
        body,
      ]),
    );
    return true;
  };

/** Replaces a file, and answers honestly. */
export const replace =
  (path: string, body: Buffer): Fault =>
  (_request, _response, server) => {
    server.files[path] = body;
    return false;
  };
