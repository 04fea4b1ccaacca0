/**
 * Errors that nobody caught.
 */
import type { Logger } from '../../observability/logger.js';

/** Logs them and ends the process: nobody knows what state it is in. */
export function logDefects(logger: Logger): void {
  // Rejections that nobody handles arrive here as well. What the command line would do comes later.
  process.prependListener('uncaughtException', (error, origin) => {
    logger.error('process_crashed', { origin, error });
    process.exit(1);
  });
}
