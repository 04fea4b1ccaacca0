/**
 * The packed package, installed by npm in a fresh project.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './audio.js';
import { run, type Outcome } from './package.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Packed {
  filename: string;
  unpackedSize: number;
  files: { path: string }[];
}

export function pack(folder: string): Packed {
  const args = ['pack', '--json', '--pack-destination', folder];
  const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8' });
  const [packed] = JSON.parse(output) as [Packed];
  return packed;
}

export interface InstalledProject {
  project: string;
  /** node_modules/oxboard-demucs in the project. */
  installed: string;
  /** Runs the installed command. */
  oxboard: (...args: string[]) => Promise<Outcome>;
  /** Runs the ESM example: loads the embedded model and separates. */
  consumer: () => Promise<Outcome>;
  /** Runs a module of this text in the project. */
  node: (source: string) => Promise<Outcome>;
}

export async function installPacked(context: {
  after: (hook: () => void) => void;
}): Promise<InstalledProject> {
  const folder = temporaryFolder(context);
  const project = path.join(folder, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }');
  // libtorch is most of the size; the clone's serves as an operator's own.
  const env = {
    LIBTORCH: process.env.LIBTORCH ?? path.join(root, '.libtorch', 'torch'),
    npm_config_ignore_scripts: 'true',
  };
  const tarball = path.join(folder, pack(folder).filename);
  const options = { cwd: project, env };
  const done = await run('npm', ['install', '--no-audit', '--no-fund', tarball], options);
  assert.equal(done.status, 0, done.stderr);
  cpSync(path.join(root, 'examples', 'consumers'), path.join(project, 'consumers'), {
    recursive: true,
  });
  return {
    project,
    installed: path.join(project, 'node_modules', 'oxboard-demucs'),
    oxboard: (...args) => run('npx', ['--no', 'oxboard', ...args], options),
    consumer: () => run(process.execPath, ['consumers/esm.mjs'], { cwd: project }),
    node: (source) =>
      run(process.execPath, ['--input-type=module', '--eval', source], { cwd: project }),
  };
}
