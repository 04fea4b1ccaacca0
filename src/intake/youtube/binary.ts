/**
 * Finds yt-dlp. Each download looks for it again: sites change, so it must be possible to update it
 * while the service runs.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { OxboardError } from '../../errors.js';

/** The operator's setting, the npm package, the machine. */
export type YtDlpOrigin = 'YT_DLP_PATH' | 'yt-dlp-exec' | 'PATH';

export interface YtDlp {
  path: string;
  origin: YtDlpOrigin;
}

/** Installs or updates yt-dlp, with all that YouTube needs. */
export const INSTALL_YT_DLP = 'pip install --upgrade "yt-dlp[default,deno]"';

/** Days after which yt-dlp itself warns that it is old. */
export const OLD_DAYS = 90;

/** @throws OxboardError YOUTUBE_BINARY_MISSING */
export async function findYtDlp(configured: string | undefined): Promise<YtDlp> {
  if (configured !== undefined) {
    if (await isProgram(configured)) return { path: configured, origin: 'YT_DLP_PATH' };
    throw missing(`YT_DLP_PATH, ${configured}, is no program`);
  }
  const bundled = bundledPath();
  if (bundled !== undefined && (await isProgram(bundled))) {
    return { path: bundled, origin: 'yt-dlp-exec' };
  }
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, 'yt-dlp');
    if (path.isAbsolute(folder) && (await isProgram(candidate))) {
      return { path: candidate, origin: 'PATH' };
    }
  }
  throw missing('yt-dlp was not found');
}

/**
 * The age of a version in days: versions are dates of release.
 *
 * @returns undefined for a version that is not a date.
 */
export function ageOf(version: string, now = Date.now()): number | undefined {
  const [, year = '', month = '', day = ''] = /^(\d{4})\.(\d{2})\.(\d{2})/.exec(version) ?? [];
  if (year === '') return undefined;
  return Math.floor((now - Date.UTC(Number(year), Number(month) - 1, Number(day))) / 86_400_000);
}

/** Where the postinstall script of yt-dlp-exec puts yt-dlp, if that script ran and succeeded. */
function bundledPath(): string | undefined {
  try {
    const require = createRequire(import.meta.url);
    const constants = require('yt-dlp-exec/src/constants.js') as { YOUTUBE_DL_PATH?: string };
    return constants.YOUTUBE_DL_PATH;
  } catch {
    return undefined;
  }
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

const missing = (what: string): OxboardError =>
  new OxboardError(
    'YOUTUBE_BINARY_MISSING',
    `${what}. Install it with: ${INSTALL_YT_DLP} (and name it in YT_DLP_PATH when it is not on the ` +
      'PATH of the service)',
  );
