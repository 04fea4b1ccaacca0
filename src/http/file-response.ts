/**
 * What responses with a file share: names, caching, conditions and ranges (RFC 9110, sections 13 and
 * 14).
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import type { Job } from '../jobs/job.js';
import { withoutExtension } from '../lib/file-names.js';
import { ObjectNotFound } from '../storage/storage.js';
import { jobNotFound } from './find-job.js';
import type { RequestContext } from './request-context.js';
import { header } from './route.js';

/** The bytes of a stem never change, but it can be deleted: caches have to ask before they use it. */
export const CACHING = { 'Cache-Control': 'private, no-cache' };

const ETAG_EXAMPLE = '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"';

export const conditionalHeaders = z.object({
  'If-None-Match': z
    .string()
    .optional()
    .meta({
      description: 'ETags that the client has: the answer is 304 if one of them is current.',
      examples: [ETAG_EXAMPLE],
    }),
});

export const rangeHeaders = conditionalHeaders.extend({
  Range: z
    .string()
    .optional()
    .meta({ description: 'The range of bytes that is wanted.', examples: ['bytes=0-1023'] }),
  'If-Range': z
    .string()
    .optional()
    .meta({
      description: 'The ETag to which the range belongs. With another one the answer is all.',
      examples: [ETAG_EXAMPLE],
    }),
});

export const etagHeader = z.object({ ETag: header('Identifies the bytes.') });

export const fileHeaders = etagHeader.extend({
  'Content-Disposition': header('A name for the file.'),
});

/** The response with status 304. */
export const NOT_MODIFIED = { description: 'The client already has these bytes.' };

/** The name under which a browser saves a part of the song. */
export const downloadName = ({ request }: Job, part: string, extension: string): string =>
  `${withoutExtension(request.source.name)} - ${part}.${extension}`;

/**
 * Whether the client has these bytes. Not `request.fresh`, which is false for requests with
 * `Cache-Control: no-cache`: fetch() adds that header where a page sets If-None-Match itself.
 */
export function isUnchanged(request: Request, etag: string): boolean {
  const known = request.get('if-none-match')?.split(',') ?? [];
  return known.some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/**
 * @returns the first and the last byte; undefined when the whole file is to be sent: without a Range,
 * with one that a server may ignore (several parts, another unit, malformed), and when If-Range shows
 * that the client has other bytes.
 */
function requestedRange(
  request: Request,
  size: number,
  etag: string,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const range = request.get('range') ?? '';
  if (request.method !== 'GET' || !/^bytes=/i.test(range)) return undefined;
  const ifRange = request.get('if-range');
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  // The last N bytes of fewer than N are all (RFC 9110, 14.1.2); Express refuses such a range.
  const [, suffix = 0] = /^bytes=-(\d+)$/i.exec(range) ?? [];
  if (Number(suffix) > size) return { start: 0, end: size - 1 };
  const ranges = request.range(size);
  if (ranges === -1) return 'unsatisfiable';
  return typeof ranges === 'object' && ranges.length === 1 ? ranges[0] : undefined;
}

/**
 * Answers with a file whose bytes never change: all of it, a range, or that the client has it already.
 *
 * @throws OxboardError RANGE_NOT_SATISFIABLE; JOB_NOT_FOUND when it was removed a moment ago.
 */
export async function sendFile(
  request: Request,
  response: Response,
  context: RequestContext,
  {
    etag,
    sizeBytes: size,
    open,
  }: {
    etag: string;
    sizeBytes: number;
    open: (range: { start: number; end: number } | undefined) => Promise<Readable>;
  },
): Promise<void> {
  response.set({ ETag: etag, 'Accept-Ranges': 'bytes' });
  if (isUnchanged(request, etag)) {
    response.status(304).end();
    return;
  }
  const range = requestedRange(request, size, etag);
  if (range === 'unsatisfiable') {
    response.set('Content-Range', `bytes */${String(size)}`);
    throw new OxboardError(
      'RANGE_NOT_SATISFIABLE',
      `The stem has ${String(size)} bytes, and none in that range`,
    );
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  if (range) {
    response
      .status(206)
      .set('Content-Range', `bytes ${String(start)}-${String(end)}/${String(size)}`);
  }
  response.set('Content-Length', String(end - start + 1));
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const stream = await open(range).catch((error: unknown) => {
    throw error instanceof ObjectNotFound ? jobNotFound() : error;
  });
  await send(response, stream, context);
}

/** Content of a response by media types. */
export const binary = (...types: string[]) =>
  Object.fromEntries(
    types.map((type) => [
      type.replace(/;.*$/, ''),
      { schema: { type: 'string' as const, format: 'binary' } },
    ]),
  );

/** Sends the stream; it ends quietly when the client is gone. */
export async function send(
  response: Response,
  stream: Readable,
  { signal }: RequestContext,
): Promise<void> {
  try {
    await pipeline(stream, response);
  } catch (error) {
    // A client that stops the download is no error.
    if (!signal.aborted) throw error;
  }
}
