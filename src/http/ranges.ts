/**
 * Which bytes of a stem a request is for (RFC 9110, sections 13 and 14).
 */
import type { Request } from 'express';

export interface ByteRange {
  /** Both included. */
  start: number;
  end: number;
}

/**
 * @returns undefined when all of it is to be sent: without a Range, with one that a server may ignore
 * (of several parts, of another unit, malformed), and when If-Range tells that the client has other
 * bytes.
 */
export function requestedRange(
  request: Request,
  size: number,
  etag: string,
): ByteRange | 'unsatisfiable' | undefined {
  if (request.method !== 'GET') return undefined;
  const ifRange = request.get('if-range');
  if (ifRange !== undefined && ifRange !== etag) return undefined;

  const [, first, last] = /^bytes=(\d*)-(\d*)$/i.exec(request.get('range') ?? '') ?? [];
  if (first === undefined || last === undefined || first + last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? Infinity : Number(last);
  if (end < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end: Math.min(end, size - 1) };
}

/** Whether the client has these bytes already, whatever it thinks of caches. */
export function hasAlready(request: Request, etag: string): boolean {
  const known = request.get('if-none-match')?.split(',') ?? [];
  return known.some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}
