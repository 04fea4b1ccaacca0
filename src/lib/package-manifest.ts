/**
 * What this package's own package.json says.
 */
import { readFileSync } from 'node:fs';
import { OxboardError } from '../errors.js';

const NAME = 'oxboard-demucs';

interface PackageManifest {
  name: string;
  version: string;
  /** Packages that some settings need: names, and the versions that serve. */
  peerDependencies: Record<string, string>;
}

function readManifest(): PackageManifest {
  let cause: unknown;
  try {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const manifest = JSON.parse(text) as PackageManifest;
    if (manifest.name === NAME) return manifest;
  } catch (error) {
    cause = error;
  }
  throw new OxboardError(
    'PACKAGE_INCOMPLETE',
    `The code of ${NAME} is not in its package: its addon and its models cannot be found from here. ` +
      `If a bundler put it there, mark the package as external (esbuild: --external:${NAME})`,
    { cause },
  );
}

export const packageManifest = readManifest();
