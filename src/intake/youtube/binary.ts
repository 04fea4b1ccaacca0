/**
 * Which yt-dlp there is. It is looked for anew for every download: sites change, so that it has to be
 * exchangeable while the service runs.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { OxboardError } from '../../errors.js';

/** Of the operator, of the npm package, of the machine. */
export type YtDlpOrigin = 'YT_DLP_PATH' | 'yt-dlp-exec' | 'PATH';

export interface YtDlp {
  path: string;
  origin: YtDlpOrigin;
}

/** What installs yt-dlp with all that YouTube asks for, and updates it. */
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
 * Its age in days, by its version, which is the date of its release.
 *
 * @returns undefined for a version that is no date.
 */
export function ageOf(version: string, now = Date.now()): number | undefined {
  const [, year = '', month = '', day = ''] = /^(\d{4})\.(\d{2})\.(\d{2})/.exec(version) ?? [];
  if (year === '') return undefined;
  return Math.floor((now - Date.UTC(Number(year), Number(month) - 1, Number(day))) / 86_400_000);
}

/** Where the postinstall script of yt-dlp-exec puts it, unless it was not let run, or failed. */
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
