/**
 * `oxboard serve`, `api` and `worker`: which parts each is made of.
 */
import type { ServiceConfig } from '../../config.js';
import { createLogger, type Logger } from '../../observability/logger.js';
import { createMetrics } from '../../observability/metrics.js';
import { announce } from './banner.js';
import { prepareDataDir } from './data-dir.js';
import { readEnvironment, requireRedisUrl } from './environment.js';
import type { Role } from './role.js';
import { startMetricsServer } from './metrics-server.js';
import { checkPorts, type Address } from './ports.js';
import { startPrivateRedis } from './private-redis.js';
import { startRole } from './start-role.js';
import { exitOnUncaughtErrors, Service } from './service.js';
import { Supervisor } from './supervisor.js';
import { checkVariableNames } from './variable-names.js';

const apiAddress = ({ host, port }: ServiceConfig): Address => ({ host, port, variable: 'PORT' });
const metricsAddress = ({ host, metricsPort }: ServiceConfig): Address => ({
  host,
  port: metricsPort,
  variable: 'OBSERVABILITY_PROMETHEUS_PORT',
});

interface Context {
  config: ServiceConfig;
  logger: Logger;
  service: Service;
}

/** Reads the environment and prepares what every command needs. */
function begin(name: string): Context {
  const config = readEnvironment();
  const logger = createLogger(config, { fields: { process: name } });
  exitOnUncaughtErrors(logger);
  checkVariableNames(process.env, logger);
  return { config, logger, service: new Service(logger) };
}

/** API processes, a worker, and a Redis unless there is one. Ends only by a signal or an error. */
export async function serve({ processes }: { processes: number }): Promise<never> {
  const context = begin('supervisor');
  const { config, logger, service } = context;
  return service.run(async () => {
    await checkPorts(apiAddress(config), metricsAddress(config));
    await prepareDataDir(config.dataDir);
    const environment: NodeJS.ProcessEnv = {};
    if (config.redisUrl === undefined) {
      const redis = service.add(
        await startPrivateRedis(
          { dataDir: config.dataDir, fsync: config.redisFsync, logger },
          service.fail,
        ),
      );
      Object.assign(environment, { REDIS_URL: redis.url, REDIS_DB: '0' });
    }
    await supervise(context, environment, { api: processes, worker: 1 });
  });
}

/** API processes alone. Ends only by a signal or an error. */
export async function serveApi({ processes }: { processes: number }): Promise<never> {
  const context = begin('supervisor');
  const { config, service } = context;
  requireRedisUrl(config, 'api');
  return service.run(async () => {
    await checkPorts(apiAddress(config), metricsAddress(config));
    await prepareDataDir(config.dataDir);
    await supervise(context, {}, { api: processes });
  });
}

async function supervise(
  { config, logger, service }: Context,
  environment: NodeJS.ProcessEnv,
  counts: Partial<Record<Role, number>>,
): Promise<void> {
  const metrics = createMetrics({ process: 'supervisor' });
  // This process does not connect to Redis, and the least value of all processes counts.
  metrics.registry.removeSingleMetric('demucs_redis_up');
  const supervisor = new Supervisor({
    counts,
    environment,
    logger,
    metrics,
    onGivenUp: service.fail,
  });
  service.add(await startMetricsServer(metricsAddress(config), supervisor.metrics, logger));
  service.add(supervisor);
  announce(config, await supervisor.start(), logger);
}

/** A worker alone, in this process. Ends only by a signal or an error. */
export async function work(): Promise<never> {
  const { config, logger, service } = begin('worker');
  requireRedisUrl(config, 'worker');
  return service.run(async () => {
    await prepareDataDir(config.dataDir);
    const metrics = createMetrics({ process: 'worker' });
    if (config.workerMetricsPort !== undefined) {
      const address = {
        host: config.host,
        port: config.workerMetricsPort,
        variable: 'METRICS_PORT',
      };
      service.add(await startMetricsServer(address, () => metrics.registry.metrics(), logger));
    }
    const worker = await startRole('worker', { config, logger, metrics });
    service.add({ stop: (graceMs) => worker.stop(graceMs), kill: () => undefined });
    announce(config, { worker: worker.facts }, logger);
  });
}
