import { ErrorReply } from 'redis';
import { OxboardError, type ErrorCode } from '../errors.js';

/** Errors that say that Redis cannot serve at the moment, by their first word. */
const UNABLE: Record<string, string> = {
  LOADING: 'Redis is reading its data from the disk',
  BUSY: 'Redis is busy',
  MASTERDOWN: 'Redis is a replica without its primary',
  NOAUTH: 'Redis requires a password; put it into REDIS_URL',
  WRONGPASS: 'Redis does not know the user or password in REDIS_URL',
  NOPERM: 'The user in REDIS_URL may not do this in Redis',
};

/** Errors that say that Redis answers but takes no writes. */
const REFUSES_WRITES: Record<string, string> = {
  OOM: 'Redis has no memory left and refuses writes; raise its maxmemory',
  MISCONF: 'Redis cannot write to its disk and refuses writes; see its log, and free some space',
  READONLY: 'Redis is a replica, which takes no writes; put its primary into REDIS_URL',
  NOREPLICAS: 'Redis refuses writes while it has too few replicas',
};

/** Errors of commands in a script may be wrapped: `ERR Error running script (...): -OOM command ...`. */
const firstWord = (error: unknown): string =>
  error instanceof ErrorReply
    ? (/^ERR .*: -([A-Z]+) /.exec(error.message)?.[1] ?? /^[A-Z]+/.exec(error.message)?.[0] ?? '')
    : '';

const failure = (code: ErrorCode, message: string, cause: unknown): OxboardError =>
  new OxboardError(code, `${message}${reason(cause)}`, { cause });

export const unavailable = (message: string, cause?: unknown): OxboardError =>
  failure('REDIS_UNAVAILABLE', message, cause);

const reason = (cause: unknown): string =>
  cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';

/**
 * Maps a Redis that cannot serve to REDIS_UNAVAILABLE or REDIS_REFUSES_WRITES; errors about the command
 * itself stay as they are.
 */
export function redisError(error: unknown): unknown {
  if (error instanceof OxboardError || error instanceof TypeError) return error;
  if (!(error instanceof ErrorReply)) return unavailable('Redis does not answer', error);
  const word = firstWord(error);
  const refusal = REFUSES_WRITES[word];
  if (refusal !== undefined) return failure('REDIS_REFUSES_WRITES', refusal, error);
  const words = UNABLE[word];
  return words === undefined ? error : unavailable(words, error);
}

/** Whether trying again with the same URL cannot help. */
export function isRefusedLogin(error: unknown): boolean {
  return (
    ['NOAUTH', 'WRONGPASS', 'NOPERM'].includes(firstWord(error)) ||
    (error instanceof ErrorReply &&
      /DB index is out of range|invalid password/i.test(error.message))
  );
}
