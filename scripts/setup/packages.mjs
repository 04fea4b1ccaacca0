import { join } from 'node:path';
import { isFolder, readJson, readStamp, root } from './files.mjs';
import { mustRun } from './run.mjs';

/** npm's own record of what it installed is compared: `npm install` and `npm ci` serve alike. */
function upToDate() {
  if (!isFolder(join(root, 'node_modules'))) return false;
  const installed = readStamp(join(root, 'node_modules/.package-lock.json')).packages ?? {};
  const { '': _, ...locked } = readJson(join(root, 'package-lock.json')).packages;
  return (
    Object.entries(locked).every(([path, { version, optional }]) =>
      installed[path] ? installed[path].version === version : optional,
    ) && Object.keys(installed).every((path) => locked[path])
  );
}

export async function ensurePackages(step) {
  if (upToDate()) return { text: 'ok (already done)' };
  let last = '';
  step.doing('npm ci', () => last);
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  await mustRun('npm', command, [...args, 'ci', '--no-audit', '--no-fund', '--include=dev'], {
    // yt-dlp's installer would download from GitHub, or fail where that cannot be reached.
    env: { YOUTUBE_DL_SKIP_DOWNLOAD: '1' },
    onLine: (line) => (last = line.slice(0, 60)),
    failure: 'npm ci failed',
    mend: 'Mend what npm names (often the network or the registry), then run this again.',
  });
  return { text: 'ok' };
}
