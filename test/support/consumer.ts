/**
 * A project that has the packed package installed, with the examples in it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './audio.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAME = 'oxboard-demucs';

/** @returns the project's folder, which holds copies of the folders of examples/. */
export function installPackage(context: { after: (hook: () => void) => void }): string {
  const project = temporaryFolder(context);
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', project], {
    cwd: root,
    encoding: 'utf8',
  });
  execFileSync('tar', ['-xzf', path.join(project, packed.trim()), '-C', project]);
  const modules = path.join(project, 'node_modules');
  const installed = path.join(modules, NAME);
  mkdirSync(modules);
  cpSync(path.join(project, 'package'), installed, { recursive: true });

  // What npm would fetch, and what `oxboard setup` would build.
  for (const entry of readdirSync(path.join(root, 'node_modules'))) {
    if (entry === NAME || entry.startsWith('.')) continue;
    symlinkSync(path.join(root, 'node_modules', entry), path.join(modules, entry));
  }
  for (const entry of ['build', 'build-gyp', '.libtorch']) {
    const built = path.join(root, entry);
    if (existsSync(built)) symlinkSync(built, path.join(installed, entry));
  }
  cpSync(path.join(root, 'examples'), project, { recursive: true });
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }');
  return project;
}
