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
  /** Installs the package into the project, again. */
  install: () => Promise<void>;
  /** node_modules/oxboard-demucs in the project. */
  installed: string;
  /** Runs the installed command. */
  oxboard: (...args: string[]) => Promise<Outcome>;
  /** Runs the ESM example: loads the embedded model and separates. */
  consumer: () => Promise<Outcome>;
  /** Runs a module of this text in the project. */
  node: (source: string) => Promise<Outcome>;
}

/** @param own environment variables of every command. */
export async function installPacked(
  context: { after: (hook: () => void) => void },
  own: Record<string, string> = {},
): Promise<InstalledProject> {
  const folder = temporaryFolder(context);
  const project = path.join(folder, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }');
  // libtorch is most of the size; the clone's serves as an operator's own.
  const env = {
    LIBTORCH: process.env.LIBTORCH ?? path.join(root, '.libtorch', 'torch'),
    npm_config_ignore_scripts: 'true',
    // Nothing that an earlier set-up has built for this version.
    XDG_CACHE_HOME: path.join(folder, 'cache'),
    ...own,
  };
  const tarball = path.join(folder, pack(folder).filename);
  const options = { cwd: project, env };
  const install = async () => {
    const done = await run('npm', ['install', '--no-audit', '--no-fund', tarball], options);
    assert.equal(done.status, 0, done.stderr);
  };
  await install();
  cpSync(path.join(root, 'examples', 'consumers'), path.join(project, 'consumers'), {
    recursive: true,
  });
  return {
    project,
    install,
    installed: path.join(project, 'node_modules', 'oxboard-demucs'),
    oxboard: (...args) => run('npx', ['--no', 'oxboard', ...args], options),
    consumer: () => run(process.execPath, ['consumers/esm.mjs'], options),
    node: (source) => run(process.execPath, ['--input-type=module', '--eval', source], options),
  };
}
