/**
 * Logs that a test reads.
 */
import type { LogFields, Logger } from '../../src/observability/logger.js';

export interface LoggedEvent extends LogFields {
  level: keyof Logger;
  event: string;
}

export function recordingLogger(): { logger: Logger; events: LoggedEvent[] } {
  const events: LoggedEvent[] = [];
  const log = (level: keyof Logger) => (event: string, fields?: LogFields) =>
    void events.push({ ...fields, level, event });
  return {
    events,
    logger: { error: log('error'), warn: log('warn'), info: log('info'), debug: log('debug') },
  };
}
