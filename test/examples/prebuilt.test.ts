/** The prebuilt packages: what is in them, on which systems they run, and which versions go together. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { installPackage } from '../support/consumer.js';
import { root } from '../support/installed-project.js';
import { run } from '../support/package.js';

const script = (name: string) => new URL(`../../scripts/${name}`, import.meta.url).href;
const { stagePrebuilt, platform } = (await import(script('package/stage.mjs'))) as {
  stagePrebuilt: (out: string, libtorch: unknown) => Promise<{ addon: string; libtorch: string }>;
  platform: string;
};
const { locate } = (await import(script('setup/libtorch.mjs'))) as { locate: () => unknown };

const linux = { skip: process.platform === 'linux' ? false : 'only for Linux' };

/** What runs wherever Node.js 20 does. */
const FLOOR: Record<string, string> = { GLIBC: '2.28', GLIBCXX: '3.4.22', CXXABI: '1.3.11' };

interface Manifest {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
}

const newest = (versions: string[]) =>
  versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);

describe('the prebuilt packages', linux, () => {
  const project = installPackage({ after });
  const modules = path.join(project, 'node_modules');
  const installed = path.join(modules, 'oxboard-demucs');
  const prebuilt = path.join(modules, '@oxboard');
  let addon = '';
  let libtorch = '';
  const own = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
    libtorch: { version: string };
  };

  before(async () => {
    for (const entry of ['build', 'build-gyp', '.libtorch']) {
      rmSync(path.join(installed, entry), { force: true });
    }
    mkdirSync(prebuilt);
    ({ addon, libtorch } = await stagePrebuilt(prebuilt, locate()));
  });

  const manifestOf = (folder: string) =>
    JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
  const consumer = () =>
    run(process.execPath, ['esm.mjs'], {
      cwd: path.join(project, 'consumers'),
      env: { XDG_CACHE_HOME: path.join(project, 'cache') },
    });
  /** Runs the consumer while the package in `folder` says that it is of another version. */
  async function withVersion(folder: string, version: string) {
    const manifest = manifestOf(folder);
    const file = path.join(folder, 'package.json');
    writeFileSync(file, JSON.stringify({ ...manifest, version }));
    const outcome = await consumer();
    writeFileSync(file, JSON.stringify(manifest));
    return outcome;
  }

  it('hold the addon, and the libraries that it needs', () => {
    assert.deepEqual(readdirSync(addon).sort(), [
      'LICENSE',
      'README.md',
      'oxboard.node',
      'package.json',
    ]);
    assert.deepEqual(readdirSync(libtorch).sort(), ['LICENSE', 'README.md', 'lib', 'package.json']);
    const libraries = readdirSync(path.join(libtorch, 'lib'));
    for (const name of ['libc10.so', 'libtorch.so', 'libtorch_cpu.so'])
      assert.ok(libraries.includes(name), name);
    assert.equal(libraries.length, 4);
    assert.match(readFileSync(path.join(libtorch, 'LICENSE'), 'utf8'), /PyTorch[^]*libgomp/);
  });

  it('name versions that belong together', () => {
    const { name, version, dependencies } = manifestOf(addon);
    assert.deepEqual([name, version], [`@oxboard/${platform}`, own.version]);
    assert.deepEqual(dependencies, { [`@oxboard/libtorch-${platform}`]: own.libtorch.version });
    const { name: library, version: release } = manifestOf(libtorch);
    assert.deepEqual({ [library]: release }, dependencies);
  });

  it('ask for no newer system libraries than GLIBC 2.28 and GLIBCXX 3.4.22', (context) => {
    const files = readdirSync(path.join(libtorch, 'lib')).map((name) =>
      path.join(libtorch, 'lib', name),
    );
    for (const file of [path.join(addon, 'oxboard.node'), ...files]) {
      const symbols = execFileSync('objdump', ['-T', file], {
        encoding: 'utf8',
        maxBuffer: 1e9,
      });
      for (const [library, floor] of Object.entries(FLOOR)) {
        const versions = [...symbols.matchAll(new RegExp(`\\b${library}_([\\d.]+)`, 'g'))];
        const wanted = newest(versions.map(([, version]) => version!)) ?? '0';
        context.diagnostic(`${path.basename(file)}: ${library} ${wanted}`);
        assert.equal(newest([wanted, floor]), floor, `${file}: ${library} ${wanted}`);
      }
    }
  });

  it('separate, and set-up takes them', async () => {
    const { status, stdout, stderr } = await consumer();
    assert.equal(status, 0, stderr);
    assert.match(stdout, /drums bass other vocals 44100/);
    const setup = await run(process.execPath, [path.join(installed, 'dist/bin/cli.js'), 'setup'], {
      env: { XDG_CACHE_HOME: path.join(project, 'cache') },
    });
    assert.equal(setup.status, 0, setup.stderr);
    assert.match(setup.stdout, /native build +ok: prebuilt, .*oxboard\.node/);
  });

  it('are refused when versions differ, with what to install', async () => {
    const other = await withVersion(addon, '0.0.9');
    assert.match(
      other.stderr,
      new RegExp(
        `@oxboard/${platform} is version 0\\.0\\.9, and version ${own.version} .*"npm run package"`,
      ),
    );
    const library = await withVersion(libtorch, '2.12.0');
    assert.match(
      library.stderr,
      new RegExp(`@oxboard/libtorch-${platform} is .*and version ${own.libtorch.version} `),
    );
    for (const { status, stderr } of [other, library]) {
      assert.notEqual(status, 0);
      assert.match(stderr, /NATIVE_UNLOADABLE/);
    }
  });
});
