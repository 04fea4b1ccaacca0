/** The packed package in a fresh folder, as `npm install` and `npx oxboard setup` leave it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/audio.js';
import { run } from '../support/package.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder({ after });
const project = path.join(folder, 'project');

interface Packed {
  filename: string;
  unpackedSize: number;
  files: { path: string }[];
}

const pack = (): Packed => {
  const args = ['pack', '--json', '--pack-destination', folder];
  const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8' });
  const [packed] = JSON.parse(output) as [Packed];
  return packed;
};

/** libtorch is what is large about the package; that of the clone serves as an operator's own. */
const env = {
  LIBTORCH: process.env.LIBTORCH ?? path.join(root, '.libtorch', 'torch'),
  npm_config_ignore_scripts: 'true',
};

async function npx(...args: string[]) {
  return run('npx', ['--no', 'oxboard', ...args], { cwd: project, env });
}

describe('the package', () => {
  const packed = pack();

  it('holds what it needs and no more', () => {
    const kinds = new Set(packed.files.map(({ path: file }) => file.split('/')[0]));
    assert.deepEqual([...kinds].sort(), [
      '.env.example',
      'CMakeLists.txt',
      'LICENSE',
      'README.md',
      'binding.gyp',
      'dist',
      'models',
      'native',
      'package.json',
      'scripts',
    ]);
    const unwanted = packed.files.filter(({ path: file }) =>
      /\.map$|\.tsbuildinfo$|__pycache__|^native\/test|requirements-dev|scripts\/(train|parity|bench|load)/.test(
        file,
      ),
    );
    assert.deepEqual(unwanted, []);
    assert.ok(packed.unpackedSize < 12e6, `${String(packed.unpackedSize)} bytes`);
  });

  it('installs, names what builds its binary, builds it, and separates', async () => {
    mkdirSync(project);
    writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }');
    const tarball = path.join(folder, packed.filename);
    const installed = await run('npm', ['install', '--no-audit', '--no-fund', tarball], {
      cwd: project,
      env,
    });
    assert.equal(installed.status, 0, installed.stderr);

    cpSync(path.join(root, 'examples', 'consumers'), path.join(project, 'consumers'), {
      recursive: true,
    });
    const consumer = () => run(process.execPath, ['consumers/esm.mjs'], { cwd: project });
    const before = await consumer();
    assert.notEqual(before.status, 0);
    assert.match(before.stderr, /npx oxboard setup/);

    const setup = await npx('setup');
    assert.equal(setup.status, 0, setup.stdout + setup.stderr);
    const binary = 'node_modules/oxboard-demucs/build/Release/oxboard.node';
    assert.ok(existsSync(path.join(project, binary)));
    assert.match((await npx('setup')).stdout, /native build +ok \(already done\)/);

    const afterwards = await consumer();
    assert.equal(afterwards.status, 0, afterwards.stderr);
    assert.match(afterwards.stdout, /drums bass other vocals 44100/);
  });
});
