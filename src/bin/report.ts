/**
 * Errors as people at a shell read them: one line, and an exit status.
 */
import { ERROR_CODES, OxboardError } from '../errors.js';
import { withFlagName } from './flags.js';

const USAGE_ERROR = 2;

export interface Failure {
  code: string;
  message: string;
  exitStatus: number;
}

export function describeFailure(thrown: unknown): Failure {
  const error = withFlagName(thrown);
  if (error instanceof OxboardError) {
    const { code, message } = error;
    return { code, message, exitStatus: ERROR_CODES[code].exitStatus };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'INTERNAL',
    message: `Unexpected error: ${message} (OXBOARD_DEBUG=1 shows where)`,
    exitStatus: ERROR_CODES.INTERNAL.exitStatus,
  };
}

/** Tells the error on stderr and sets the exit status. */
export function reportFailure(error: unknown): Failure {
  const failure = describeFailure(error);
  say(`oxboard: ${failure.message}`);
  if (process.env.OXBOARD_DEBUG && error instanceof Error) say(error.stack ?? '');
  process.exitCode = failure.exitStatus;
  return failure;
}

/** Bad usage that only shows when several flags are seen together. */
export const isUsageError = (failure: Failure): boolean => failure.exitStatus === USAGE_ERROR;

/** People's text goes to stderr: stdout is for results. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
