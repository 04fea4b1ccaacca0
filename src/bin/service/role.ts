/**
 * What every process of the service gets, and what it gives the code that runs it.
 */
import type { ServiceConfig } from '../../config.js';
import type { Logger } from '../../observability/logger.js';
import type { Metrics } from '../../observability/metrics.js';
import type { Tracer } from '../../observability/tracing.js';
import type { Facts } from './messages.js';

export interface RoleDependencies {
  config: ServiceConfig;
  logger: Logger;
  metrics: Metrics;
  tracer: Tracer;
}

export interface RunningRole {
  facts: Facts;
  /** Ends its work within about `graceMs`. */
  stop(graceMs: number): Promise<void>;
}
