/**
 * The roles of a service's processes: what each is given and gives, and what the supervisor and the
 * processes that it forks send each other.
 */
import type { Registry } from 'prom-client';
import type { ServiceConfig } from '../../config.js';
import type { Logger } from '../../observability/logger.js';
import type { Metrics } from '../../observability/metrics.js';
import type { Tracer } from '../../observability/tracing.js';

export type Role = 'api' | 'worker';

/** What an operator wants to know of a process that serves: its model, its device. */
export type Facts = Record<string, string | boolean>;

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

/** What a registry holds, as it travels between processes. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

export type ToChild = { type: 'stop'; graceMs: number } | { type: 'metrics'; id: number };

export type FromChild =
  | { type: 'ready'; facts: Facts }
  | { type: 'failed'; code: string; message: string }
  | { type: 'metrics'; id: number; snapshot: MetricsSnapshot };
