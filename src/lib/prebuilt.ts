/**
 * The prebuilt addon: a package of its own, beside a package with its libtorch.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageVersion } from './package-version.js';

const PLATFORM = `${process.platform}-${process.arch}`;
const ADDON = `@oxboard/${PLATFORM}`;
const LIBTORCH = `@oxboard/libtorch-${PLATFORM}`;

/** The path of the addon, or why it cannot be used, with the command that corrects it. */
export type Prebuilt = { file: string } | { reason: string };

interface Manifest {
  version: string;
  dependencies?: Record<string, string>;
}

/** @returns undefined where the package is not installed. */
export function findPrebuilt(): Prebuilt | undefined {
  let manifestFile: string;
  try {
    manifestFile = createRequire(import.meta.url).resolve(`${ADDON}/package.json`);
  } catch {
    return undefined;
  }
  if (process.versions.pnp !== undefined) {
    return {
      reason: `Yarn's Plug'n'Play keeps ${ADDON} apart from its libtorch: set "nodeLinker: node-modules" in .yarnrc.yml`,
    };
  }
  const folder = dirname(manifestFile);
  const addon = readManifest(manifestFile);
  if (addon?.version !== packageVersion) return mismatch(ADDON, addon, packageVersion);
  const wanted = addon.dependencies?.[LIBTORCH] ?? '';
  // The addon looks for libtorch there, and nowhere else.
  const libtorch = readManifest(join(folder, '..', `libtorch-${PLATFORM}`, 'package.json'));
  if (libtorch?.version !== wanted) return mismatch(LIBTORCH, libtorch, wanted);
  return { file: join(folder, 'oxboard.node') };
}

function mismatch(name: string, found: Manifest | undefined, wanted: string): Prebuilt {
  const is = found ? `is version ${found.version}` : 'is missing';
  return {
    reason:
      `${name} ${is}, and version ${wanted} belongs to oxboard-demucs ${packageVersion}. ` +
      'Install the tarballs that one "npm run package" made (docs/prebuilt.md)',
  };
}

function readManifest(file: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}
