import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { filesUnder, readJson, root, stateDir } from './setup/files.mjs';
import { clangFormat } from './setup/tools.mjs';
import { outputOf } from './setup/run.mjs';
import { heading } from './tally.mjs';

// Releases of clang-format disagree on the same configuration; the sources are in this one's style.
const clangFormatRelease = 14;

/** Runs a command with its output shown; true when it succeeded. */
export function show(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (error) console.log(`${command}: ${error.message}`);
  return status === 0;
}

export function packageBin(name, bin = name) {
  const manifest = createRequire(join(root, 'package.json')).resolve(`${name}/package.json`);
  const entry = readJson(manifest).bin;
  return join(dirname(manifest), typeof entry === 'string' ? entry : entry[bin]);
}

const cache = join(stateDir, 'cache');
// Looked up when they are run: set-up installs them.
const programs = {
  prettier: () => [
    packageBin('prettier'),
    ...['--cache', '--cache-location', join(cache, 'prettier'), '--log-level', 'warn', '.'],
  ],
  eslint: () => [packageBin('eslint'), '.'],
  tsc: () => [packageBin('typescript', 'tsc'), '--noEmit', '-p'],
};

/** Runs a command and gives all that it said, for commands that run at the same time. */
function listen(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text) => (said += text));
    }
    child.on('error', (error) => resolve({ ok: false, said: `${command}: ${error.message}\n` }));
    child.on('close', (status) => resolve({ ok: status === 0, said }));
  });
}

const node = (program, ...args) => listen(process.execPath, [...programs[program](), ...args]);

const cppSources = () => filesUnder(join(root, 'native')).filter((file) => /\.(cpp|h)$/.test(file));

function checkCpp(...args) {
  const command = clangFormat();
  const release = command && Number(/version (\d+)/.exec(outputOf(command, '--version'))?.[1]);
  if (release !== clangFormatRelease) {
    const said = `not checked: clang-format ${clangFormatRelease} is needed, this machine has ${release ?? 'none'}\n`;
    return { ok: undefined, said };
  }
  return listen(command, [...args, ...cppSources()]);
}

/**
 * ESLint's cache knows of changes within a file, not of types that come from another one: with
 * `cached`, a rule about types may miss what such a change has made wrong.
 */
const checks = ({ cached }) => ({
  prettier: node('prettier', '--check'),
  eslint: node(
    'eslint',
    ...['--max-warnings', '0'],
    ...(cached
      ? ['--cache', '--cache-strategy', 'content', '--cache-location', join(cache, 'eslint')]
      : []),
  ),
  'types (tsc)': node('tsc', '.'),
  'types of the page (tsc)': node('tsc', 'src/web'),
  'types of its tests (tsc)': node('tsc', 'test/browser'),
  'clang-format': checkCpp('--dry-run', '-Werror'),
});

/** Runs all checks at the same time, and shows what each of them said. */
export async function runChecks({ cached = false } = {}) {
  const counts = { passed: 0, failed: 0 };
  for (const [name, check] of Object.entries(checks({ cached }))) {
    const { ok, said } = await check;
    heading(name);
    process.stdout.write(said);
    if (ok === undefined) continue;
    console.log(ok ? 'ok' : 'failed (npm run format fixes what is only style)');
    counts[ok ? 'passed' : 'failed'] += 1;
  }
  return counts;
}

/** Writes files anew one after the other: prettier and ESLint write the same ones. */
export async function format() {
  let failed = false;
  for (const run of [
    () => listen(process.execPath, ['--import', 'tsx', 'scripts/generate.ts']),
    () => node('prettier', '--write'),
    () => node('eslint', '--fix'),
    () => checkCpp('-i'),
  ]) {
    const { ok, said } = await run();
    process.stdout.write(said);
    failed ||= ok === false;
  }
  return failed ? 1 : 0;
}
