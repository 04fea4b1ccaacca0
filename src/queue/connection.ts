/**
 * The connection to Redis with the queue's scripts.
 */
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import { connectRedis, type RedisConnection } from '../redis/connection.js';
import { dangerousEviction, EVICTION_ADVICE } from '../redis/eviction.js';
import { SCHEMA_KEY, SCHEMA_VERSION } from './keys.js';
import { SCRIPT_SOURCES, type QueueScripts } from './scripts.js';

export type QueueConnection = RedisConnection<QueueScripts>;

/**
 * Connects as `connectRedis` does. Warns of a Redis that may delete jobs.
 *
 * @throws OxboardError REDIS_UNAVAILABLE; INVALID_ENVIRONMENT when another version of OX Board wrote
 * the data that is there.
 */
export async function connectQueue(
  settings: Parameters<typeof connectRedis>[0],
  logger: Logger,
): Promise<QueueConnection> {
  const connection = await connectRedis<QueueScripts>(settings, logger, SCRIPT_SOURCES);
  try {
    const { version } = await connection.scripts.schema({
      key: SCHEMA_KEY,
      version: SCHEMA_VERSION,
    });
    if (version === SCHEMA_VERSION) {
      const policy = await dangerousEviction(connection);
      if (policy !== undefined) logger.warn('redis_evicts', { policy, advice: EVICTION_ADVICE });
      return connection;
    }
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      `The jobs in Redis have schema version ${String(version)}, and this release of OX Board Demucs ` +
        `reads version ${String(SCHEMA_VERSION)}. Use the release that wrote them, or set REDIS_URL or ` +
        'REDIS_DB to an empty database',
    );
  } catch (error) {
    await connection.close();
    throw error;
  }
}
