import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  filesUnder,
  fingerprint,
  isFile,
  readStamp,
  root,
  stateDir,
  writeStamp,
} from './setup/files.mjs';
import { buildProgress, identity, jobs } from './setup/native.mjs';
import { mustRun } from './setup/run.mjs';

/** Shows a command's output as it comes, unless it is `quiet`, and returns it for counting. */
export function follow(command, args, { env = {}, quiet = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
      if (!quiet) process.stdout.write(chunk);
    });
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (status) => resolve({ ok: status === 0, output }));
  });
}

/** A suite that ends badly without naming a failed test (a crash, a failed build) is one failure. */
export function counted({ ok, passed = 0, failed = 0 }) {
  return { passed, failed: !ok && failed === 0 ? 1 : failed };
}

/**
 * Builds a program of the core (its tests by default), and returns its path. Without sanitizers it is
 * built beside the addon, which has compiled the core already.
 */
export async function buildCoreProgram(
  step,
  libtorch,
  { target = 'oxboard_core_tests', sanitize = '' } = {},
) {
  const folder = join(root, sanitize ? `build-sanitize-${sanitize}` : 'build');
  const program = join(folder, 'Release', target);
  const stampFile = join(folder, `.${target}-stamp.json`);
  const configure = fingerprint(['CMakeLists.txt'], root, identity(libtorch), sanitize);
  const sources = fingerprint(['native'], configure);
  const stamp = readStamp(stampFile);
  if (stamp.sources === sources && isFile(program))
    return { text: 'ok (already done)', value: program };

  const progress = buildProgress();
  step.doing(`compiling ${target}`, progress.measure);
  if (sanitize && stamp.configure !== configure) rmSync(folder, { recursive: true, force: true });
  rmSync(stampFile, { force: true });
  const failure = `${target} could not be built`;
  await mustRun(
    `${target}-configure`,
    'cmake',
    [
      '-S',
      root,
      '-B',
      folder,
      '-DOXBOARD_TESTS=ON',
      `-DOXBOARD_SANITIZE=${sanitize}`,
      '-DCMAKE_BUILD_TYPE=Release',
      `-DLIBTORCH=${libtorch.folder}`,
    ],
    { failure },
  );
  const build = ['--build', folder, '--target', target, '--parallel', String(jobs)];
  await mustRun(target, 'cmake', build, { onLine: progress.onLine, failure });
  writeStamp(stampFile, { configure, sources });
  return { text: 'ok', value: program };
}

export async function runCoreTests(program, args = []) {
  const { ok, output } = await follow(program, args);
  const [, passed, failed] =
    /test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed/.exec(output) ?? [];
  return counted({ ok, passed: Number(passed ?? 0), failed: Number(failed ?? 0) });
}

/** Tests in TypeScript whose counterpart (an S3 stand-in, yt-dlp) is a program of the Python venv. */
const WITH_PYTHON = join(root, 'test/with-python');
/** Tests of the page, in a browser. */
const BROWSER = join(root, 'test/browser');
/** Tests that measure time, or take minutes for one fact: run by hand, with `npm run test:long`. */
const LONG = '.long.test.ts';

/** Files of tests in alphabetical order; `only` keeps those that have one of these parts in their name. */
export function testFiles(only = [], { withPython = false, browser = false, long = false } = {}) {
  const files = filesUnder(join(root, 'test'))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => file.startsWith(WITH_PYTHON) === withPython)
    .filter((file) => file.startsWith(BROWSER) === browser)
    .filter((file) => file.endsWith(LONG) === long);
  return only.length ? files.filter((file) => only.some((part) => file.includes(part))) : files;
}

/** Folders of files that take longest: begun first, they do not run alone at the end. */
const LONGEST = ['chaos', 'service', 'worker', 'cli'];

/** The longest first; or else backwards, or shuffled in the same way for the same seed. */
export function ordered(files, { reverse, seed }) {
  if (reverse) return files.toReversed();
  if (seed === undefined) {
    const place = (file) => {
      const at = LONGEST.indexOf(relative(join(root, 'test'), file).split('/')[0]);
      return at === -1 ? LONGEST.length : at;
    };
    return files.toSorted((a, b) => place(a) - place(b));
  }
  const rank = (file) => createHash('sha256').update(`${seed} ${file}`).digest('hex');
  return files.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

export const usesPromtool = (files) =>
  files.some((file) => readFileSync(file, 'utf8').includes('support/promtool'));

export const nodeTestArguments = (files, report) => [
  '--import',
  'tsx',
  join(root, 'scripts/node-tests.mjs'),
  report,
  ...files,
];

const SLOWEST_FILES = 10;

export async function runNodeTests(files, env = {}) {
  if (!files.length) return { passed: 0, failed: 0 };
  const file = join(stateDir, 'node-tests.json');
  rmSync(file, { force: true });
  const child = spawn(process.execPath, nodeTestArguments(files, file), {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [status] = await once(child, 'close');
  const { pass, fail = 0, cancelled = 0, seconds = {} } = readStamp(file);
  const slowest = Object.entries(seconds).sort(([, a], [, b]) => b - a);
  for (const [name, time] of slowest.slice(0, SLOWEST_FILES)) {
    console.log(`${time.toFixed(1).padStart(8)} s  ${relative(root, name)}`);
  }
  return counted({ ok: status === 0, passed: pass, failed: fail + cancelled });
}
