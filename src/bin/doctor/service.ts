/**
 * Checks of what `oxboard serve`, `api` and `worker` need besides the engine. Separating needs none
 * of it, so what is missing is a note.
 */
import { access, constants, stat, statfs } from 'node:fs/promises';
import type { ServiceConfig } from '../../config.js';
import { redactUrl } from '../../lib/redact-url.js';
import type { Logger } from '../../observability/logger.js';
import { nearestExisting } from '../service/data-dir.js';
import { peekEnvironment, takeAwsVariables, variablesWithFile } from '../service/environment.js';
import { unknownVariables } from '../service/variable-names.js';
import { note, ok, type Check } from './check.js';
import { checkRedisServer } from './machine.js';

/** What the API refuses uploads below; see DISK_FULL. */
const SPACE_WANTED = 1e9;

const silent: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

export async function checkService(): Promise<Check[]> {
  let config: ServiceConfig;
  try {
    config = peekEnvironment();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [note('service', text, 'correct the variable, or unset it'), await checkRedisServer()];
  }
  const names = unknownVariables(Object.keys(variablesWithFile())).map(({ sentence }) =>
    note('settings', sentence, 'correct the name, or unset it'),
  );
  const storage = config.storageUrl === undefined ? [] : [await checkStorage(config)];
  return [...names, await checkRedis(config), ...storage, await checkDataDir(config)];
}

async function checkStorage(config: ServiceConfig): Promise<Check> {
  takeAwsVariables();
  const { openStorage } = await import('../../storage/open.js');
  try {
    await openStorage(config);
    return ok('storage', `${redactUrl(String(config.storageUrl))} can be written`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return note('storage', text, 'correct STORAGE_URL, or unset it for a folder in DATA_DIR');
  }
}

/** The Redis that is named, else the program for one of our own. */
async function checkRedis({ redisUrl, redisDb }: ServiceConfig): Promise<Check> {
  if (redisUrl === undefined) return checkRedisServer();
  const { connectRedis } = await import('../../redis/connection.js');
  const { dangerousEviction, EVICTION_ADVICE } = await import('../../redis/eviction.js');
  try {
    const redis = await connectRedis({ redisUrl, redisDb }, silent);
    const version = /redis_version:(\S+)/.exec(String(await redis.send(['INFO', 'server'])))?.[1];
    const policy = await dangerousEviction(redis);
    await redis.close();
    const text = `${version ?? 'of unknown version'} answers at REDIS_URL`;
    return policy === undefined
      ? ok('redis', text)
      : note('redis', `${text}, with the eviction policy ${policy}`, EVICTION_ADVICE);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return note('redis', text, 'start it, or correct REDIS_URL, or unset it for one of our own');
  }
}

async function checkDataDir({ dataDir }: ServiceConfig): Promise<Check> {
  const folder = await nearestExisting(dataDir);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    if (!(await stat(folder)).isDirectory()) throw new Error('not a folder');
  } catch {
    return note(
      'data folder',
      `${dataDir} cannot be written; only the service needs it`,
      'correct the permissions, or name another one with DATA_DIR',
    );
  }
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const text = `${dataDir}, ${(free / 1e9).toFixed(1)} GB free`;
  return free >= SPACE_WANTED
    ? ok('data folder', text)
    : note('data folder', text, 'make room, or name another one with DATA_DIR');
}
