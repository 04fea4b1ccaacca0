import { ErrorReply } from 'redis';
import { OxboardError } from '../errors.js';

/** First words of errors that say that Redis cannot serve at the moment. */
const UNABLE: Record<string, string> = {
  LOADING: 'Redis is reading its data from the disk',
  OOM: 'Redis has no memory left; raise its maxmemory',
  MISCONF: 'Redis cannot write to its disk',
  BUSY: 'Redis is busy',
  READONLY: 'Redis is a replica, which takes no writes',
  MASTERDOWN: 'Redis is a replica without its master',
  NOREPLICAS: 'Redis has too few replicas',
  NOAUTH: 'Redis requires a password; put it into REDIS_URL',
  WRONGPASS: 'Redis does not know the user or password in REDIS_URL',
  NOPERM: 'The user in REDIS_URL may not do this in Redis',
};

const firstWord = (error: unknown): string =>
  error instanceof ErrorReply ? (/^[A-Z]+/.exec(error.message)?.[0] ?? '') : '';

export const unavailable = (message: string, cause?: unknown): OxboardError =>
  new OxboardError('REDIS_UNAVAILABLE', `${message}${reason(cause)}`, { cause });

const reason = (cause: unknown): string =>
  cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';

/** Maps an unavailable Redis to REDIS_UNAVAILABLE; errors about the command itself stay as they are. */
export function redisError(error: unknown): unknown {
  if (error instanceof OxboardError || error instanceof TypeError) return error;
  if (!(error instanceof ErrorReply)) return unavailable('Redis does not answer', error);
  const words = UNABLE[firstWord(error)];
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
