/** A bundler has to leave the package outside: its addon and its models are files beside its code. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { build } from 'esbuild';
import { installPackage } from '../support/consumer.js';
import { run } from '../support/package.js';

const project = installPackage({ after });

/** Bundles the ESM example, runs it, and returns what came of that. */
async function bundled(external: string[]) {
  const outfile = path.join(project, 'out', external.length ? 'external.mjs' : 'inside.mjs');
  await build({
    entryPoints: [path.join(project, 'consumers', 'esm.mjs')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Packages in CommonJS ask for it.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    external,
    outfile,
    logLevel: 'error',
  });
  return run(process.execPath, [outfile], { cwd: project });
}

describe('esbuild', () => {
  it('makes a program that separates, with the package marked as external', async () => {
    const { status, stdout, stderr } = await bundled(['oxboard-demucs']);
    assert.equal(status, 0, stderr);
    assert.equal(stdout.trim(), 'oxboard-mini drums bass other vocals 44100');
  });

  it('makes one that says to mark it, otherwise', async () => {
    const { status, stderr } = await bundled([]);
    assert.notEqual(status, 0);
    assert.match(stderr, /PACKAGE_INCOMPLETE/);
    assert.match(stderr, /mark the package as external \(esbuild: --external:oxboard-demucs\)/);
  });
});
