/**
 * What becomes of a job whose work failed, and what its owner is told.
 */
import { ERROR_CODES, OxboardError, type ErrorCode } from '../errors.js';
import { ObjectNotFound } from '../storage/storage.js';
import type { JobFailure, JobRequest } from '../jobs/job.js';

/** A server that does not answer. */
const UNANSWERED: readonly ErrorCode[] = [
  'STORAGE_UNAVAILABLE',
  'REDIS_UNAVAILABLE',
  'REDIS_REFUSES_WRITES',
];

/** Not the fault of the job: it waits until the server answers, or the disk has space. */
const OUTAGES: readonly ErrorCode[] = [...UNANSWERED, 'DISK_FULL', 'OUTPUT_UNWRITABLE'];

/** These may pass: other jobs end, files are removed, a server comes back. */
const TRANSIENT: readonly ErrorCode[] = [
  ...OUTAGES,
  'OUT_OF_MEMORY',
  'YOUTUBE_NETWORK',
  'SOURCE_URL_NETWORK',
];

const hasCode = (error: unknown, codes: readonly ErrorCode[]): boolean =>
  error instanceof OxboardError && codes.includes(error.code);

/** Tells whether another try may succeed. */
export const isTransient = (error: unknown): boolean => hasCode(error, TRANSIENT);

export const isOutOfMemory = (error: unknown): boolean => hasCode(error, ['OUT_OF_MEMORY']);

export const isUnanswered = (error: unknown): boolean => hasCode(error, UNANSWERED);

/** Tells whether the job goes back to the queue instead of failing. */
export const isOutage = (error: unknown): boolean => hasCode(error, OUTAGES);

export const isRedisAway = (error: unknown): boolean =>
  hasCode(error, ['REDIS_UNAVAILABLE', 'REDIS_REFUSES_WRITES']);

/** Their messages are only about the song, its link and the options. */
const ABOUT_THE_SONG =
  /^(INPUT_|AUDIO_TOO_LONG|FILE_TOO_LARGE|ADDRESS_NOT_PUBLIC|INVALID_OPTION|SOURCE_URL_|YOUTUBE_(?!BINARY_))/;

/** A failure as the owner of the job may see it: without paths and internals of this machine. */
export function jobFailureOf(error: unknown, { model }: JobRequest): JobFailure {
  if (error instanceof ObjectNotFound) {
    return { code: 'INPUT_NOT_FOUND', message: 'The upload is gone from the storage' };
  }
  if (!(error instanceof OxboardError) || error.code === 'INTERNAL') {
    return {
      code: 'INTERNAL',
      message: 'The job failed by a defect; the log of the worker tells more',
    };
  }
  const { code, message } = error;
  if (ABOUT_THE_SONG.test(code)) return { code, message };
  if (code === 'MODEL_NOT_FOUND') {
    return { code, message: `The worker does not have the model "${model}" any more` };
  }
  return { code, message: ERROR_CODES[code].meaning };
}
