/**
 * Which bytes of a stem a request is for.
 */
import type { Request } from 'express';

export interface ByteRange {
  /** Both included. */
  start: number;
  end: number;
}

/**
 * @returns undefined when all of it is to be sent: without a Range, with one of several parts or of
 * another unit, which a server may ignore, and when If-Range tells that the client has other bytes.
 */
export function requestedRange(
  request: Request,
  size: number,
  etag: string,
): ByteRange | 'unsatisfiable' | undefined {
  if (request.method !== 'GET') return undefined;
  const ifRange = request.headers['if-range'];
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const ranges = request.range(size);
  if (ranges === -1) return 'unsatisfiable';
  if (ranges === undefined || ranges === -2 || ranges.type !== 'bytes') return undefined;
  return ranges.length === 1 ? ranges[0] : undefined;
}
