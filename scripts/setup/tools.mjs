import { existsSync, readFileSync } from 'node:fs';
import { isFile } from './files.mjs';
import { SetupError } from './report.mjs';
import { attempt, has, outputOf } from './run.mjs';

const header = (file) =>
  ['/usr/include', '/usr/local/include', '/opt/homebrew/include'].some((folder) =>
    isFile(`${folder}/${file}`),
  );

const compiler = () => has('c++') || has('g++') || has('clang++');

const tools = [
  { name: 'ffmpeg', there: () => has('ffmpeg', '-version') && has('ffprobe', '-version') },
  { name: 'redis-server', brew: 'redis', there: () => has('redis-server') },
];
/** To build the addon. */
const buildTools = [
  { name: 'cmake', there: () => has('cmake') },
  { name: 'g++', brew: 'gcc', there: compiler },
  { name: 'make', there: () => has('make') || has('ninja') },
];
/** Installed only for a run of tests that needs them. */
const testTools = [
  { name: 'doctest-dev', brew: 'doctest', there: () => header('doctest/doctest.h') },
  { name: 'clang-format', there: () => Boolean(clangFormat()) },
  { name: 'curl', there: () => has('curl') },
  {
    name: 'libfluidsynth3',
    brew: 'fluid-synth',
    there: () =>
      process.platform === 'darwin'
        ? has('fluidsynth')
        : outputOf('ldconfig', '-p').includes('libfluidsynth.so'),
  },
  { name: 'chromium', there: () => has('chromium') },
];

/** Formatting differs between releases, so the one that the sources are formatted with goes first. */
export function clangFormat() {
  return ['clang-format-14', 'clang-format'].find((command) => has(command));
}

function usesApt() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(release) && has('apt-get');
}

function installCommand(missing) {
  if (process.platform === 'darwin')
    return `brew install ${missing.map(({ brew, name }) => brew ?? name).join(' ')}`;
  const names = missing.map(({ name }) => name).join(' ');
  if (usesApt()) return `sudo apt-get update && sudo apt-get install -y ${names}`;
  return `Install them with your system's package manager (Debian's names): ${names}`;
}

const aptEnvironment = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };

async function aptInstall(names, step) {
  const args = [
    'install',
    '-y',
    '--no-install-recommends',
    '-o',
    'DPkg::Lock::Timeout=300',
    ...names,
  ];
  let last = '';
  const onLine = (line) => (last = line.slice(0, 60));
  const run = (what) => attempt('apt-get', 'apt-get', what, { env: aptEnvironment, onLine });

  step.doing(`installing ${names.join(', ')}`, () => last);
  // A fresh container has no package lists, an old one has lists that name files long gone.
  const known = names.every((name) =>
    outputOf('apt-cache', 'policy', name).includes('Candidate: '),
  );
  if (known && (await run(args)).ok) return undefined;
  const update = await run(['update']);
  const result = await run(args);
  return result.ok ? undefined : `${update.ok ? '' : `${update.tail}\n`}${result.tail}`;
}

/** Installs with apt-get, where that may be done, those of the tools that are not there. */
export async function ensure(wanted, step) {
  const missing = wanted.filter(({ there }) => !there());
  if (!missing.length) return [];
  const names = missing.map(({ name }) => name);
  const command = installCommand(missing);
  if (!usesApt() || process.getuid?.() !== 0) {
    throw new SetupError(
      `Missing on this machine: ${names.join(', ')}. Install what is missing, then run this again:`,
      `  ${command}`,
    );
  }
  const failure = await aptInstall(names, step);
  const still = missing.filter(({ there }) => !there()).map(({ name }) => name);
  if (failure || still.length) {
    throw new SetupError(
      `${failure ?? ''}\n\napt-get could not install ${(still.length ? still : names).join(', ')}. Install what is missing, then run this again:`,
      `  ${command}`,
    );
  }
  return names;
}

/**
 * @param also names of test tools that are needed as well.
 * @param build whether the addon is to be built.
 */
export async function ensureTools(step, { also = [], build = true } = {}) {
  const wanted = testTools.filter(({ name }) => also.includes(name));
  const installed = await ensure([...tools, ...(build ? buildTools : []), ...wanted], step);
  return { text: installed.length ? `ok: installed ${installed.join(', ')}` : 'ok (already done)' };
}

/** Debian's python3 comes without it; the package brings python3 along. */
const pip = {
  name: 'python3-pip',
  brew: 'python3',
  there: () => has('python3', '-m', 'pip', '--version'),
};

export const ensurePip = (step) => ensure([pip], step);
