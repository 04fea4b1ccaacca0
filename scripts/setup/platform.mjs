import { packageJson } from './files.mjs';
import { SetupError } from './report.mjs';

function olderThan(version, wanted) {
  const parts = (text) => text.split('.').map(Number);
  const [have, want] = [parts(version), parts(wanted)];
  const at = want.findIndex((part, index) => part !== have[index]);
  return at >= 0 && have[at] < want[at];
}

/** Refuses what cannot work; returns a warning for what is written for but untried. */
export function checkPlatform() {
  const wanted = packageJson.engines.node.replace(/^[^\d]*/, '');
  if (olderThan(process.versions.node, wanted)) {
    throw new SetupError(
      `Node.js ${wanted} or newer is needed, this is ${process.versions.node}.`,
      'Install a current one from https://nodejs.org or with your version manager, e.g. `nvm install 22`.',
    );
  }
  const { platform, arch } = process;
  if (!['linux', 'darwin'].includes(platform)) {
    throw new SetupError(
      `This does not run on ${platform === 'win32' ? 'Windows' : platform}.`,
      'Linux x64 is supported; on Windows, WSL 2 gives you one: https://learn.microsoft.com/windows/wsl/install',
    );
  }
  if (platform === 'linux') {
    process.report.excludeNetwork = true;
    if (!process.report.getReport().header.glibcVersionRuntime) {
      throw new SetupError(
        'This Linux has no glibc (Alpine?), and libtorch is not built for any other C library.',
        'Use a glibc system, such as Debian or the node:22-bookworm image.',
      );
    }
  }
  if (!['x64', 'arm64'].includes(arch) || (platform === 'darwin' && arch === 'x64')) {
    throw new SetupError(
      `There is no libtorch for ${platform} on ${arch}.`,
      'Linux x64 is supported.',
    );
  }
  return platform === 'linux' && arch === 'x64'
    ? undefined
    : `${platform} ${arch} is written for, but nobody has tried it yet`;
}
