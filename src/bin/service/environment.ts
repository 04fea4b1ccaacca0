/**
 * The environment of the service's processes.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { readServiceConfig, type ServiceConfig } from '../../config.js';
import { OxboardError } from '../../errors.js';

/**
 * Reads the environment, and before it `.env` in the working directory, which adds what is not set.
 *
 * @throws OxboardError INVALID_ENVIRONMENT
 */
export function readEnvironment(): ServiceConfig {
  const file = path.resolve('.env');
  if (existsSync(file)) {
    try {
      process.loadEnvFile(file);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new OxboardError('INVALID_ENVIRONMENT', `${file} cannot be read: ${reason}`);
    }
  }
  return readServiceConfig(process.env);
}

/**
 * What the processes that share their work need of each other.
 *
 * @throws OxboardError INVALID_ENVIRONMENT
 */
export function requireRedisUrl({ redisUrl }: ServiceConfig, command: string): string {
  if (redisUrl !== undefined) return redisUrl;
  throw new OxboardError(
    'INVALID_ENVIRONMENT',
    `oxboard ${command} needs REDIS_URL, the Redis that API and workers share, such as ` +
      'redis://localhost:6379. For everything on this machine, with a Redis of its own: oxboard serve',
  );
}
