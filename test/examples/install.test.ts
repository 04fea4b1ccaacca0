/** The packed package in a fresh project, as `npm install` leaves it. */
import assert from 'node:assert/strict';
import { existsSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { installPacked, pack, root } from '../support/installed-project.js';

describe('the package', () => {
  it('holds what it needs and no more', (context) => {
    const packed = pack(temporaryFolder(context));
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

  it('installs, names the command that builds its binary, and separates with the binary', async (context) => {
    const { installed, consumer } = await installPacked(context);
    const before = await consumer();
    assert.notEqual(before.status, 0);
    assert.match(before.stderr, /npx oxboard setup/);

    for (const entry of ['build', 'build-gyp', '.libtorch']) {
      const built = path.join(root, entry);
      if (existsSync(built)) symlinkSync(built, path.join(installed, entry));
    }
    const afterwards = await consumer();
    assert.equal(afterwards.status, 0, afterwards.stderr);
    assert.match(afterwards.stdout, /drums bass other vocals 44100/);
  });
});
