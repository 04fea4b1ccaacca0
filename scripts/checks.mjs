import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { filesUnder, readJson, root } from './setup/files.mjs';
import { clangFormat } from './setup/tools.mjs';
import { has, outputOf } from './setup/run.mjs';
import { heading } from './tally.mjs';

// Releases of clang-format disagree on the same configuration; the sources are in this one's style.
const clangFormatRelease = 14;

/** Runs the command-line program of an installed package, or of this machine, with its output shown. */
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

const node = (name, ...args) => show(process.execPath, [packageBin(name), ...args]);

const cppSources = () => filesUnder(join(root, 'native')).filter((file) => /\.(cpp|h)$/.test(file));

function checkCpp(write) {
  const command = clangFormat();
  const release = command && Number(/version (\d+)/.exec(outputOf(command, '--version'))?.[1]);
  if (release !== clangFormatRelease) {
    console.log(
      `not checked: clang-format ${clangFormatRelease} is needed, this machine has ${release ?? 'none'}`,
    );
    return undefined;
  }
  const files = cppSources();
  if (files.length === 0) return true;
  if (write) return show(command, ['-i', ...files]);
  const unformatted = files.filter((file) => !has(command, '--dry-run', '-Werror', file));
  for (const file of unformatted) console.log(relative(root, file));
  return unformatted.length === 0;
}

const checks = [
  { name: 'prettier', run: () => node('prettier', '--check', '--log-level', 'warn', '.') },
  { name: 'eslint', run: () => node('eslint', '.', '--max-warnings', '0') },
  {
    name: 'types (tsc)',
    run: () => show(process.execPath, [packageBin('typescript', 'tsc'), '--noEmit']),
  },
  { name: 'clang-format', run: () => checkCpp(false) },
];

export function runChecks() {
  const counts = { passed: 0, failed: 0 };
  for (const { name, run } of checks) {
    heading(name);
    const ok = run();
    if (ok === undefined) continue;
    console.log(ok ? 'ok' : 'failed (npm run format mends what is only style)');
    counts[ok ? 'passed' : 'failed'] += 1;
  }
  return counts;
}

export function format() {
  const ok = [
    show(process.execPath, ['--import', 'tsx', 'scripts/generate.ts']),
    node('prettier', '--write', '--log-level', 'warn', '.'),
    node('eslint', '.', '--fix'),
    checkCpp(true) ?? true,
  ];
  return ok.every(Boolean) ? 0 : 1;
}
