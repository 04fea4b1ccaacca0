/**
 * The tracer of one process.
 */
import type { ServiceConfig } from '../../config.js';
import type { Logger } from '../../observability/logger.js';
import type { RunningTracer } from '../../observability/opentelemetry.js';
import { NO_TRACER } from '../../observability/tracing.js';
import { packageVersion } from '../../lib/package-version.js';
import type { Role } from './messages.js';

/** Loads OpenTelemetry only where tracing is on. */
export async function startTracer(
  role: Role,
  { tracing }: Pick<ServiceConfig, 'tracing'>,
  logger: Logger,
): Promise<RunningTracer> {
  if (!tracing) return { ...NO_TRACER, stop: () => Promise.resolve() };
  const { startOpenTelemetry } = await import('../../observability/opentelemetry.js');
  return startOpenTelemetry(tracing, { role, version: packageVersion, logger });
}
