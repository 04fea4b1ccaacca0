/**
 * The environment of the service's processes.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { readServiceConfig, SETTING_OF, type ServiceConfig } from '../../config.js';
import { OxboardError } from '../../errors.js';

/**
 * Reads the environment and the file `.env` in the working directory, which adds what is not set.
 * The result is also put into `process.env`, for the processes and libraries that read it there.
 *
 * @throws OxboardError INVALID_ENVIRONMENT
 */
export function readEnvironment(): ServiceConfig {
  Object.assign(process.env, variablesWithFile());
  const config = readServiceConfig(process.env);
  for (const [name, { alias }] of SETTING_OF) {
    const value = alias && process.env[alias];
    if (value && !process.env[name]) process.env[name] = value;
  }
  return config;
}

/**
 * What {@link readEnvironment} would read, without a change of the environment.
 *
 * @throws OxboardError INVALID_ENVIRONMENT
 */
export const peekEnvironment = (): ServiceConfig => readServiceConfig(variablesWithFile());

/** For the AWS SDK, which looks into the environment itself. */
export function takeAwsVariables(): void {
  const variables = Object.entries(variablesWithFile()).filter(([name]) => name.startsWith('AWS_'));
  Object.assign(process.env, Object.fromEntries(variables));
}

/** @throws OxboardError INVALID_ENVIRONMENT */
export function variablesWithFile(): NodeJS.ProcessEnv {
  const file = path.resolve('.env');
  if (!existsSync(file)) return process.env;
  try {
    const set = Object.entries(process.env).filter(([, value]) => value !== '');
    return { ...parseEnv(readFileSync(file, 'utf8')), ...Object.fromEntries(set) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OxboardError('INVALID_ENVIRONMENT', `${file} cannot be read: ${reason}`);
  }
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
      'redis://localhost:6379. For everything on this machine, with a private Redis: oxboard serve',
  );
}
