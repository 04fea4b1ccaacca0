import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder, isFile, stateDir } from './files.mjs';
import { SetupError } from './report.mjs';
import { attempt, has } from './run.mjs';

const PROGRAM_LIMIT = 2 ** 29;
const file = join(stateDir, 'tools', 'promtool');

/**
 * Prometheus' checker of metrics and rules, for the tests. Only the program is taken out of Debian's
 * package: installed, that would start a server.
 */
export async function ensurePromtool(step) {
  if (has('promtool') || isFile(file)) return { text: 'ok (already done)' };
  if (!has('apt-get') || !has('dpkg-deb')) {
    throw new SetupError(
      'Missing on this machine: promtool. Install what is missing, then run this again:',
      process.platform === 'darwin' ? '  brew install prometheus' : '  the package prometheus',
    );
  }
  const folder = emptyFolder(join(stateDir, 'tools', `partial-${process.pid}`));
  try {
    step.doing("downloading Debian's prometheus package");
    const download = () =>
      attempt('promtool', 'apt-get', ['download', 'prometheus'], { cwd: folder });
    let result = await download();
    if (!result.ok && process.getuid?.() === 0) {
      await attempt('promtool-update', 'apt-get', ['update']);
      result = await download();
    }
    const archive = readdirSync(folder).find((name) => name.endsWith('.deb'));
    if (!result.ok || !archive) {
      throw new SetupError(
        `${result.tail}\n\napt-get could not download prometheus, of which the tests need promtool.`,
        'Put promtool on the PATH, or mend what apt-get names, then run this again.',
      );
    }
    step.doing('unpacking promtool');
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', join(folder, archive)], {
      maxBuffer: PROGRAM_LIMIT,
    });
    const program = execFileSync('tar', ['-xO', './usr/bin/promtool'], {
      input: tar,
      maxBuffer: PROGRAM_LIMIT,
    });
    const partial = join(folder, 'promtool');
    writeFileSync(partial, program);
    chmodSync(partial, 0o755);
    renameSync(partial, file);
    return { text: 'ok' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
