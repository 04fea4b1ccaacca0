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
import { exitWithSignal } from '../signals.js';
import { explainDenied } from './data-dir.js';
import type { FromChild, Role, ToChild } from './role.js';
import { exitOnUncaughtErrors, STOP_GRACE_MS } from './service.js';
import { startRole } from './start-role.js';

const [, , role = '', name = role] = process.argv;
const config = readServiceConfig(process.env);
const logger = createLogger(config, { fields: { process: name, pid: process.pid } });
const metrics = createMetrics({ process: role });

exitOnUncaughtErrors(logger);
// Ctrl-C reaches every process of the terminal; the supervisor stops us, in order.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
cluster.worker?.on('disconnect', () => {
  // It was killed: nobody else would stop us. Its next start goes on with the work.
  if (!stopping) {
    logger.error('supervisor_lost');
    exitWithSignal('SIGTERM');
  }
});

let stopping: Promise<void> | undefined;
const stop = (graceMs: number) => {
  stopping ??= starting
    .then((running) => running.stop(graceMs))
    .catch((error: unknown) => logger.error('stop_failed', { error }))
    .finally(() => process.exit());
};
process.on('SIGTERM', () => stop(STOP_GRACE_MS));
process.on('message', (message: ToChild) => {
  if (message.type === 'stop') stop(message.graceMs);
  else void sendMetrics(message.id);
});

const starting = startRole(role as Role, { config, logger, metrics });
starting.then(({ facts }) => send({ type: 'ready', facts }), fail);

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

async function sendMetrics(id: number): Promise<void> {
  send({ type: 'metrics', id, snapshot: await metrics.registry.getMetricsAsJSON() });
}

async function fail(thrown: unknown): Promise<void> {
  const error = await explainDenied(thrown);
  const { code, message } = describeFailure(error);
  if (!(error instanceof OxboardError)) logger.error('start_failed', { error });
  process.send?.({ type: 'failed', code, message } satisfies FromChild, () => process.exit(1));
}
