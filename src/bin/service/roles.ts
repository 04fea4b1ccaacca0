/**
 * What each process of a service runs.
 */
import type { ServiceConfig } from '../../config.js';
import type { Logger } from '../../observability/logger.js';
import type { Metrics } from '../../observability/metrics.js';
import type { Facts, Role } from './messages.js';

export interface RoleDependencies {
  config: ServiceConfig;
  logger: Logger;
  metrics: Metrics;
}

export interface RunningRole {
  facts: Facts;
  /** Ends its work within about `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** An API process never loads the native addon: each role's code is imported only where it runs. */
export async function startRole(role: Role, dependencies: RoleDependencies): Promise<RunningRole> {
  if (role === 'api') {
    const { startApiProcess } = await import('./api-process.js');
    return startApiProcess(dependencies);
  }
  const { startWorkerProcess } = await import('./worker-process.js');
  return startWorkerProcess(dependencies);
}
