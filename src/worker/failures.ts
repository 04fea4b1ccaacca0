/**
 * What becomes of a job whose work failed, and what its owner is told.
 */
import { ERROR_CODES, OxboardError, type ErrorCode } from '../errors.js';
import { ObjectNotFound } from '../storage/storage.js';
import type { JobFailure, JobRequest } from '../jobs/job.js';

/** What may be otherwise a moment later: other jobs end, files go, a server comes back. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'OUT_OF_MEMORY',
  'DISK_FULL',
  'OUTPUT_UNWRITABLE',
  'STORAGE_UNAVAILABLE',
  'REDIS_UNAVAILABLE',
]);

/** What is not the job's fault, and what no other job on this worker could do without either. */
const OUTAGES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'STORAGE_UNAVAILABLE',
  'REDIS_UNAVAILABLE',
]);

export const mayPass = (error: unknown): boolean =>
  error instanceof OxboardError && PASSING.has(error.code);

export const isOutOfMemory = (error: unknown): boolean =>
  error instanceof OxboardError && error.code === 'OUT_OF_MEMORY';

/** Tells whether the job is to wait for better times instead of failing. */
export const isOutage = (error: unknown): boolean =>
  error instanceof OxboardError && OUTAGES.has(error.code);

/** Whose messages speak of the song, its link and the options alone. */
const SPEAKS_OF_THE_SONG =
  /^(INPUT_|AUDIO_TOO_LONG|FILE_TOO_LARGE|ADDRESS_NOT_PUBLIC|INVALID_OPTION|YOUTUBE_(?!BINARY_))/;

/**
 * A failure as the owner of the job may see it: no paths of this machine, no insides.
 *
 * @param inputPath where the song lay while it was worked on.
 */
export function describeFailure(
  error: unknown,
  { model, source }: JobRequest,
  inputPath: string | undefined,
): JobFailure {
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
  if (SPEAKS_OF_THE_SONG.test(code)) {
    return { code, message: inputPath ? message.replaceAll(inputPath, source.name) : message };
  }
  if (code === 'MODEL_NOT_FOUND') {
    return { code, message: `The worker does not have the model "${model}" any more` };
  }
  return { code, message: ERROR_CODES[code].meaning };
}
