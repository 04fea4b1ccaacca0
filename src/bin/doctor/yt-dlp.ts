/**
 * The check of yt-dlp: links to videos need it, nothing else does.
 */
import { ageOf, findYtDlp, INSTALL_YT_DLP, OLD_DAYS } from '../../intake/youtube/binary.js';
import { describeYtDlp } from '../../intake/youtube/describe.js';
import { count } from '../../lib/format.js';
import { peekEnvironment } from '../service/environment.js';
import { note, ok, type Check } from './check.js';

const NAME = 'yt-dlp';

export async function checkYtDlp(): Promise<Check> {
  let path: string;
  let origin: string;
  try {
    ({ path, origin } = await findYtDlp(configuredPath()));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return note(NAME, `only links to videos need it: ${text}`, INSTALL_YT_DLP);
  }
  const described = await describeYtDlp(path);
  if (!described) {
    return note(NAME, `${path} (${origin}) does not start, or is far too old`, INSTALL_YT_DLP);
  }
  const { version, runtimes, oldRuntimes, scripts } = described;
  const days = ageOf(version);
  const age = days === undefined ? 'of unknown age' : `${count(days, 'day')} old`;
  const text = `${version}, ${age}, at ${path} (${origin})`;
  if (days !== undefined && days > OLD_DAYS) {
    return note(NAME, `${text}; sites have changed since then`, INSTALL_YT_DLP);
  }
  if (runtimes.length === 0) {
    const old = oldRuntimes.length === 0 ? '' : ` (${oldRuntimes.join(', ')} is too old for it)`;
    return note(NAME, `${text}; no JavaScript runtime for YouTube${old}`, INSTALL_YT_DLP);
  }
  if (!scripts) return note(NAME, `${text}; without its scripts for YouTube`, INSTALL_YT_DLP);
  return ok(NAME, `${text}; JavaScript by ${runtimes.join(', ')}`);
}

function configuredPath(): string | undefined {
  try {
    return peekEnvironment().ytDlpPath;
  } catch {
    // Another check tells of a wrong variable.
    return undefined;
  }
}
