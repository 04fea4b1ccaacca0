/**
 * An error as a sentence for people.
 */
import { ServiceError } from '../../client/index.js';
import { duration } from './format.js';

export function explain(error: unknown): string {
  if (!(error instanceof ServiceError)) {
    return error instanceof Error ? sentence(error.message) : 'Something went wrong.';
  }
  if (error.code === 'SERVICE_UNREACHABLE')
    return 'The service does not answer. Check that it runs.';
  const later =
    error.retryAfterSeconds === undefined
      ? ''
      : ` Try again in ${duration(error.retryAfterSeconds)}.`;
  return sentence(error.message) + later;
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`);
