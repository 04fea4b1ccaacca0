/**
 * Where an installed package keeps what its set-up fetches and builds.
 */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { packageVersion } from './package-version.js';

/** Outside of node_modules, so that `npm ci` leaves it alone; one for each version and platform. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME = '' } = process.env;
  const base = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'oxboard-demucs', `${packageVersion}-${process.platform}-${process.arch}`);
}
