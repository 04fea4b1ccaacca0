/**
 * What the supervisor and the processes that it forks tell each other.
 */
import type { Registry } from 'prom-client';

export type Role = 'api' | 'worker';

/** What a registry holds, as it travels between processes. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What is worth telling of a process that serves: its URL, its model. */
export type Facts = Record<string, string | boolean>;

export type ToChild = { type: 'stop'; graceMs: number } | { type: 'metrics'; id: number };

export type FromChild =
  | { type: 'ready'; facts: Facts }
  | { type: 'failed'; code: string; message: string }
  | { type: 'metrics'; id: number; snapshot: MetricsSnapshot };
