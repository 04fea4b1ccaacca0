/**
 * Jobs that a script ended, in the metrics: the process whose script did it counts them.
 */
import type { ErrorCode } from '../errors.js';
import type { Metrics } from '../observability/metrics.js';

export type FailureMetrics = Pick<Metrics, 'jobsTotal' | 'errorsTotal'>;

export function countFailures(
  metrics: FailureMetrics | undefined,
  code: ErrorCode,
  jobs: number,
): void {
  if (jobs === 0) return;
  metrics?.jobsTotal.inc({ status: 'failed' }, jobs);
  metrics?.errorsTotal.inc({ code }, jobs);
}
