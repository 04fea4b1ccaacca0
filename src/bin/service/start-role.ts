/**
 * Starts what a process of a service runs, with its tracer.
 */
import type { ServiceConfig } from '../../config.js';
import { importWithPackages } from '../../lib/optional-packages.js';
import { packageVersion } from '../../lib/package-version.js';
import type { Logger } from '../../observability/logger.js';
import type { RunningTracer } from '../../observability/opentelemetry.js';
import { NO_TRACER } from '../../observability/tracing.js';
import type { Role, RoleDependencies, RunningRole } from './role.js';

/** For the last spans: shorter than what the supervisor grants beyond the grace. */
const TRACER_STOP_TIMEOUT_MS = 1_000;

export async function startRole(
  role: Role,
  dependencies: Omit<RoleDependencies, 'tracer'>,
): Promise<RunningRole> {
  const { config, logger } = dependencies;
  const tracer = await startTracer(role, config, logger);
  const running = await start(role, { ...dependencies, tracer });
  return {
    facts: running.facts,
    async stop(graceMs) {
      try {
        await running.stop(graceMs);
      } finally {
        await tracer.stop(TRACER_STOP_TIMEOUT_MS);
      }
    },
  };
}

/** An API process never loads the native addon: each role's code is imported only where it runs. */
async function start(role: Role, dependencies: RoleDependencies): Promise<RunningRole> {
  if (role === 'api') {
    const { startApiProcess } = await import('./api-process.js');
    return startApiProcess(dependencies);
  }
  const { startWorkerProcess } = await import('./worker-process.js');
  return startWorkerProcess(dependencies);
}

/**
 * Loads OpenTelemetry only where tracing is on.
 *
 * @throws OxboardError PACKAGE_MISSING
 */
export async function startTracer(
  role: Role,
  { tracing }: Pick<ServiceConfig, 'tracing'>,
  logger: Logger,
): Promise<RunningTracer> {
  if (!tracing) return { ...NO_TRACER, stop: () => Promise.resolve() };
  const { startOpenTelemetry } = await importWithPackages(
    '@opentelemetry',
    'Tracing (OBSERVABILITY_ENABLE_TRACING)',
    () => import('../../observability/opentelemetry.js'),
  );
  return startOpenTelemetry(tracing, { role, version: packageVersion, logger });
}
