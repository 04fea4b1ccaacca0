/**
 * One worker process.
 */
import { createClaims } from '../../queue/claims.js';
import { createHandout } from '../../queue/handout.js';
import { createJanitor } from '../../queue/janitor.js';
import { observeQueue } from '../../queue/observation.js';
import { connectRedis } from '../../queue/redis.js';
import { createSweeper } from '../../queue/sweeper.js';
import { startWorker } from '../../queue/worker/worker.js';
import { createWorkers } from '../../queue/workers.js';
import { openStorage } from '../../storage/open.js';
import { startAutoPull } from './auto-pull.js';
import { requireRedisUrl } from './environment.js';
import type { RoleDependencies, RunningRole } from './roles.js';

/** @throws what Redis, storage and startWorker throw. */
export async function startWorkerProcess({
  config,
  logger,
  metrics,
}: RoleDependencies): Promise<RunningRole> {
  const redisUrl = requireRedisUrl(config, 'worker');
  const { redisDb, jobTtl } = config;
  const storage = await openStorage(config);
  const redis = await connectRedis({ redisUrl, redisDb }, logger);
  const handout = createHandout(redis, logger);
  const sweeper = createSweeper(redis, { handout, storage, jobTtl, logger, metrics });
  const janitor = createJanitor(redis, { storage, logger });
  const pull = await startAutoPull({ config, logger });
  const worker = await startWorker({
    config,
    claims: createClaims(redis, { handout, jobTtl, logger, metrics }),
    workers: createWorkers(redis),
    handout,
    storage,
    logger,
    metrics,
    pulling: pull.state,
  });
  sweeper.start();
  janitor.start();
  const observation = observeQueue(redis, metrics, logger);

  const { name, embedded, description } = worker.defaultModel;
  return {
    facts: {
      model: name,
      embedded,
      notice: description.notice ?? '',
      device: worker.device,
    },
    async stop(graceMs) {
      observation.stop();
      await Promise.all([worker.stop({ graceMs }), pull.stop(), sweeper.stop(), janitor.stop()]);
      await redis.close();
    },
  };
}
