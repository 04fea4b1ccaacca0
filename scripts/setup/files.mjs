import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** An installed package has its dependencies and its dist, and no sources to build them from. */
export const isClone = isFile(join(root, 'tsconfig.build.json'));

/** Where things are fetched to and built: beside the sources, or in the cache of an installed package. */
export const workDir = isClone
  ? root
  : (await import('../../dist/lib/cache-folder.js')).cacheFolder();
export const stateDir = join(workDir, '.oxboard');

export function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

export const packageJson = readJson(join(root, 'package.json'));

export function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

export function isFolder(path) {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

export function filesUnder(path) {
  if (isFile(path)) return [path];
  if (!isFolder(path)) return [];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

export async function sha256OfFile(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Of contents, not of times: a clone, a copy and a cache restore all keep what is up to date. */
export function fingerprint(paths, ...extra) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap((entry) => filesUnder(join(root, entry)))) {
    hash
      .update(`${relative(root, path)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  return hash.update(JSON.stringify(extra)).digest('hex');
}

export function readStamp(path) {
  try {
    return readJson(path);
  } catch {
    return {};
  }
}

export function writeStamp(path, stamp) {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(stamp));
  renameSync(temporary, path);
}

export function folderSize(path) {
  let total = 0;
  for (const file of filesUnder(path))
    total += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return total;
}

export function emptyFolder(path) {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

export function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}
