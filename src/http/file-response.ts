/**
 * What responses with a file share: names, caching, conditions and ranges (RFC 9110, sections 13 and
 * 14).
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Job } from '../jobs/job.js';
import { withoutExtension } from '../lib/file-names.js';
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

export const fileHeaders = z.object({
  ETag: header('Identifies the bytes.'),
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
export function requestedRange(
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
