/**
 * The Python environment of the exporter, training, parity and benchmark scripts and the tests.
 *
 *     node scripts/python.mjs -m oxboard_export ...    runs Python in it
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { fingerprint, isClone, readStamp, root, workDir, writeStamp } from './setup/files.mjs';
import { withLock } from './setup/lock.mjs';
import { checkPlatform } from './setup/platform.mjs';
import { pinned, pipAttempts } from './setup/libtorch.mjs';
import { SetupError, createReport, main } from './setup/report.mjs';
import { attempt, has, outputOf } from './setup/run.mjs';
import { ensure } from './setup/tools.mjs';

const folder = join(workDir, '.venv');
const python = join(folder, 'bin', 'python');
const stampFile = join(folder, '.oxboard-stamp.json');
// Exporting models needs the first alone; training, measuring and testing, in a clone, need both.
const FOR_EXPORT = [join('scripts', 'requirements.txt')];
const ALL = [...FOR_EXPORT, join('scripts', 'requirements-dev.txt')];

// TorchScript, which archives are made of, is refused by torch on Python 3.14.
const candidates = ['python3', 'python3.13', 'python3.12', 'python3.11'];
const suits =
  'import sys; assert (3, 11) <= sys.version_info < (3, 14); print(sys.version.split()[0])';

function findInterpreter() {
  for (const command of candidates) {
    const version = outputOf(command, '-c', suits);
    if (version) return { command, version };
  }
  throw new SetupError(
    'Exporting models and the Python tests need Python 3.11, 3.12 or 3.13, and none was found.',
    'Install one, for example with: sudo apt-get install -y python3',
  );
}

// diffq, which restores quantised models, comes as C source.
const headers =
  "import os, sysconfig; assert os.path.isfile(sysconfig.get_path('include') + '/Python.h')";

function systemTools({ command }) {
  return [
    { name: 'python3-pip', brew: 'python3', there: () => has(command, '-m', 'pip', '--version') },
    { name: 'python3-dev', brew: 'python3', there: () => has(command, '-c', headers) },
    { name: 'g++', brew: 'gcc', there: () => has('c++') || has('g++') || has('clang++') },
  ];
}

async function pip(interpreter, args, step) {
  let last = '';
  const options = {
    onLine: (line) => {
      if (/^(Collecting|Downloading|Building|Installing)/.test(line)) last = line.slice(0, 60);
    },
    env: { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' },
  };
  step.doing(args.what, () => last);
  // Debian's venv brings no pip of its own; the system's installs into it.
  return attempt(
    'python-pip',
    interpreter.command,
    ['-m', 'pip', '--python', python, 'install', '--progress-bar', 'off', ...args.install],
    options,
  );
}

async function installTorch(interpreter, step) {
  if (outputOf(python, '-c', 'import torch; print(torch.__version__)').split('+')[0] === pinned)
    return;
  const failures = [];
  for (const { version, options } of pipAttempts.filter(({ when }) => when)) {
    const what = `installing torch ${version}`;
    const install = [...options, `torch==${version}`];
    const result = await pip(interpreter, { what, install }, step);
    if (result.ok) return;
    failures.push(result.tail.split('\n').findLast((line) => line.startsWith('ERROR')) ?? '');
  }
  throw new SetupError(
    `torch ${pinned} could not be installed:\n${failures.map((line) => `  - ${line}`).join('\n')}`,
    'Give pip a package index that has it (pip config, or PIP_EXTRA_INDEX_URL), then run this again.',
  );
}

async function build(requirements, step) {
  const interpreter = findInterpreter();
  const wanted = (files) => fingerprint(files, pinned, interpreter.version);
  const healthy = has(python, '-c', suits);
  if (healthy && readStamp(stampFile).installed?.includes(wanted(requirements)))
    return { text: 'ok (already done)', value: python };

  await ensure(systemTools(interpreter), step);
  if (!healthy) {
    step.doing('making .venv');
    rmSync(folder, { recursive: true, force: true });
    const made = await attempt('python-venv', interpreter.command, [
      '-m',
      'venv',
      '--without-pip',
      folder,
    ]);
    if (!made.ok) throw new SetupError(`${made.tail}\n\n.venv could not be made.`);
  }
  rmSync(stampFile, { force: true });
  await installTorch(interpreter, step);
  const rest = await pip(
    interpreter,
    {
      what: 'installing demucs',
      install: [`torch==${pinned}`, ...requirements.flatMap((file) => ['-r', join(root, file)])],
    },
    step,
  );
  if (!rest.ok) {
    throw new SetupError(
      `${rest.tail}\n\nThe packages of ${requirements.join(' and ')} could not be installed ` +
        `(everything pip said: ${rest.file}).`,
      'Give pip a package index that has them (pip config, or PIP_EXTRA_INDEX_URL), then run this again.',
    );
  }
  const complete = requirements === ALL ? [FOR_EXPORT, ALL] : [FOR_EXPORT];
  writeStamp(stampFile, { installed: complete.map(wanted) });
  return { text: `ok: Python ${interpreter.version}, torch ${pinned}`, value: python };
}

/**
 * Makes `.venv/` on first use and returns the path of its Python. Each line of what it does goes to
 * `log`, by default to stderr. Rejects with a SetupError, whose message is for people.
 *
 * `forExport`: only what the exporter needs, which is all that an installed package has.
 */
export async function ensurePython({
  log = (line) => process.stderr.write(`${line}\n`),
  forExport = !isClone,
} = {}) {
  checkPlatform();
  const report = createReport(log);
  const requirements = forExport ? FOR_EXPORT : ALL;
  return withLock(report, () => report.step('Python', (step) => build(requirements, step)));
}

/** The environment in which our own Python packages are found. */
export function pythonEnvironment() {
  const own = ['export', 'train'].map((name) => join(root, 'scripts', name));
  const paths = [...own, process.env.PYTHONPATH].filter(Boolean);
  return { ...process.env, PYTHONPATH: paths.join(delimiter) };
}

/** Runs Python with the terminal as its own; resolves to its exit status. See ensurePython. */
export async function runPython(args, options) {
  const interpreter = await ensurePython(options);
  return new Promise((resolve, reject) => {
    const child = spawn(interpreter, args, { stdio: 'inherit', env: pythonEnvironment() });
    child.on('error', reject);
    child.on('close', (status) => resolve(status ?? 1));
  });
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  await main(() => runPython(argv.slice(2)));
}
