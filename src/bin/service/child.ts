/**
 * The entry of the processes that a supervisor forks.
 *
 *     node child.js api|worker NAME
 */
import cluster from 'node:cluster';
import { readServiceConfig } from '../../config.js';
import { OxboardError } from '../../errors.js';
import { createLogger } from '../../observability/logger.js';
import { createMetrics } from '../../observability/metrics.js';
import { describeFailure } from '../report.js';
import { dieBy } from '../signals.js';
import type { FromChild, Role, ToChild } from './messages.js';
import { logDefects } from './defects.js';
import { startRole } from './start-role.js';
import { STOP_GRACE } from './service.js';

const [, , role = '', name = role] = process.argv;
const config = readServiceConfig(process.env);
const logger = createLogger(config, { fields: { process: name, pid: process.pid } });
const metrics = createMetrics({ process: role });

logDefects(logger);
// Ctrl-C reaches every process of the terminal; the supervisor tells us to stop, in order.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
cluster.worker?.on('disconnect', () => {
  // Killed: nobody would stop us any more, and the work goes on wherever the service starts again.
  if (!stopping) {
    logger.error('supervisor_lost');
    dieBy('SIGTERM');
  }
});

let stopping: Promise<void> | undefined;
const stop = (graceMs: number) => {
  stopping ??= starting
    .then((running) => running.stop(graceMs))
    .catch((error: unknown) => logger.error('stop_failed', { error }))
    .finally(() => process.exit());
};
process.on('SIGTERM', () => stop(STOP_GRACE));
process.on('message', (message: ToChild) => {
  if (message.type === 'stop') stop(message.graceMs);
  else void answer(message.id);
});

const starting = startRole(role as Role, { config, logger, metrics });
starting.then(({ facts }) => tell({ type: 'ready', facts }), fail);

function tell(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

async function answer(id: number): Promise<void> {
  tell({ type: 'metrics', id, snapshot: await metrics.registry.getMetricsAsJSON() });
}

function fail(error: unknown): void {
  const { code, message } = describeFailure(error);
  if (!(error instanceof OxboardError)) logger.error('start_failed', { error });
  process.send?.({ type: 'failed', code, message } satisfies FromChild, () => process.exit(1));
}
