/**
 * `oxboard serve`, `api` and `worker`: which parts each is made of.
 */
import type { ServiceConfig } from '../../config.js';
import { createLogger, type Logger } from '../../observability/logger.js';
import { createMetrics } from '../../observability/metrics.js';
import { announce } from './banner.js';
import { prepareDataDir } from './data-dir.js';
import { logDefects } from './defects.js';
import { readEnvironment, requireRedisUrl } from './environment.js';
import type { Role } from './messages.js';
import { startMetricsServer } from './metrics-server.js';
import { checkPorts, type Address } from './ports.js';
import { startPrivateRedis } from './private-redis.js';
import { startRole } from './start-role.js';
import { Service } from './service.js';
import { Supervisor } from './supervisor.js';

const apiAddress = ({ host, port }: ServiceConfig): Address => ({ host, port, variable: 'PORT' });
const metricsAddress = ({ host, metricsPort }: ServiceConfig): Address => ({
  host,
  port: metricsPort,
  variable: 'OBSERVABILITY_PROMETHEUS_PORT',
});

interface Running {
  config: ServiceConfig;
  logger: Logger;
  service: Service;
}

/** Reads the environment and readies what every command needs. */
function begin(name: string): Running {
  const config = readEnvironment();
  const logger = createLogger(config, { fields: { process: name } });
  logDefects(logger);
  return { config, logger, service: new Service(logger) };
}

/** API processes, a worker, and a Redis unless there is one. Ends only by a signal or an error. */
export async function serve({ processes }: { processes: number }): Promise<never> {
  const running = begin('supervisor');
  const { config, logger, service } = running;
  return service.run(async () => {
    await checkPorts(apiAddress(config), metricsAddress(config));
    await prepareDataDir(config.dataDir);
    const environment: NodeJS.ProcessEnv = {};
    if (config.redisUrl === undefined) {
      const redis = service.add(
        await startPrivateRedis({ dataDir: config.dataDir, logger }, service.fail),
      );
      Object.assign(environment, { REDIS_URL: redis.url, REDIS_DB: '0' });
    }
    await supervise(running, environment, { api: processes, worker: 1 });
  });
}

/** API processes alone. Ends only by a signal or an error. */
export async function serveApi({ processes }: { processes: number }): Promise<never> {
  const running = begin('supervisor');
  const { config, service } = running;
  requireRedisUrl(config, 'api');
  return service.run(async () => {
    await checkPorts(apiAddress(config), metricsAddress(config));
    await prepareDataDir(config.dataDir);
    await supervise(running, {}, { api: processes });
  });
}

async function supervise(
  { config, logger, service }: Running,
  environment: NodeJS.ProcessEnv,
  counts: Partial<Record<Role, number>>,
): Promise<void> {
  const metrics = createMetrics({ process: 'supervisor' });
  // It does not look for Redis, and what it does not know must not count as the least of all.
  metrics.registry.removeSingleMetric('demucs_redis_up');
  const supervisor = new Supervisor({
    crew: Object.entries(counts).map(([role, count]) => ({ role: role as Role, count })),
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
