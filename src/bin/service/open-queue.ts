/**
 * What API and worker processes have in common: the storage, and the queue in Redis.
 */
import { createDispatcher } from '../../queue/dispatcher.js';
import { connectQueue } from '../../queue/connection.js';
import { createSweeper } from '../../queue/sweeper.js';
import { openStorage } from '../../storage/open.js';
import { requireRedisUrl } from './environment.js';
import type { Role, RoleDependencies } from './role.js';

/**
 * The sweeper is not started yet.
 *
 * @throws OxboardError INVALID_ENVIRONMENT, REDIS_UNAVAILABLE, and what the storage throws.
 */
export async function openQueue(
  role: Role,
  { config, logger, metrics }: Omit<RoleDependencies, 'tracer'>,
) {
  const redisUrl = requireRedisUrl(config, role);
  const { redisDb, jobTtl, jobMaxWait: maxWait } = config;
  const storage = await openStorage(config);
  const redis = await connectQueue({ redisUrl, redisDb }, logger);
  const dispatcher = createDispatcher(redis, logger);
  const downloadDispatcher = createDispatcher(redis, logger, 'downloads');
  const shared = { dispatcher, downloadDispatcher, storage, jobTtl, logger };
  const sweeper = createSweeper(redis, { ...shared, metrics, maxWait });
  return { ...shared, redis, sweeper };
}
