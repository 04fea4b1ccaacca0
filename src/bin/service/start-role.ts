/**
 * What each process of a service runs.
 */
import type { Role } from './messages.js';
import type { RoleDependencies, RunningRole } from './role.js';
import { startTracer } from './tracer.js';

/** Milliseconds for the last spans: within what the supervisor grants beyond the grace. */
const TRACES_MS = 1_000;

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
        await tracer.stop(TRACES_MS);
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
