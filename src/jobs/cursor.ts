/**
 * Where the next page of a list begins: opaque to clients, who get no meaning to rely on.
 */
import { OxboardError } from '../errors.js';

const PATTERN = /^j(\d{1,15})$/;

export const encodeCursor = (number: number): string =>
  Buffer.from(`j${number}`).toString('base64url');

/** @throws OxboardError REQUEST_INVALID */
export function decodeCursor(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const number = PATTERN.exec(text)?.[1];
  if (number === undefined || encodeCursor(Number(number)) !== cursor) {
    throw new OxboardError(
      'REQUEST_INVALID',
      'The cursor is not one that this service gave. Leave it out for the first page',
    );
  }
  return Number(number);
}
