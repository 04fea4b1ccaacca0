/**
 * A copy of the built package that a test may damage.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './audio.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface StagedPackage {
  folder: string;
  /** Its native addon, a copy. */
  addon: string;
  /** Its libtorch, a link; undefined where libtorch lies outside of the package. */
  libtorch: string | undefined;
}

export function stagePackage(context: { after: (hook: () => void) => void }): StagedPackage {
  const folder = temporaryFolder(context);
  for (const entry of ['dist', 'package.json', 'scripts', 'models']) {
    cpSync(path.join(root, entry), path.join(folder, entry), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const libtorch = path.join(folder, '.libtorch');
  const own = existsSync(path.join(root, '.libtorch'));
  if (own) symlinkSync(path.join(root, '.libtorch'), libtorch);
  const addon = path.join(folder, 'build', 'Release', 'oxboard.node');
  mkdirSync(path.dirname(addon), { recursive: true });
  const build = ['build', 'build-gyp'].find((name) => existsSync(path.join(root, name, 'Release')));
  copyFileSync(path.join(root, build ?? 'build', 'Release', 'oxboard.node'), addon);
  return { folder, addon, libtorch: own ? libtorch : undefined };
}

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, with nothing of the developer's own settings. */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}
