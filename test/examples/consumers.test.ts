/** The small programs of examples/, run against the packed package. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { installPackage } from '../support/consumer.js';
import { run } from '../support/package.js';

const project = installPackage({ after });
const cwd = path.join(project, 'consumers');

async function node(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(process.execPath, args, { cwd });
  assert.equal(status, 0, stdout + stderr);
  assert.equal(stderr, '');
  return stdout.trim();
}

describe('a consumer of the package', () => {
  for (const program of ['esm.mjs', 'commonjs.cjs']) {
    it(`runs ${program}`, async () => {
      assert.equal(await node(program), 'oxboard-mini drums bass other vocals 44100');
    });
  }

  it('is checked by the TypeScript compiler, declarations included, and runs', async () => {
    const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    await node(compiler, '-p', '.');
    assert.equal(await node(path.join('build', 'typescript.js')), 'oxboard-mini vocals 44100 1');
  });

  it('has the command', async () => {
    const command = path.join(project, 'node_modules/oxboard-demucs/dist/bin/cli.js');
    assert.match(await node(command, 'doctor', '--quick'), /^ok +addon +loads$/m);
    assert.match(await node(command, 'models', 'list'), /^oxboard-mini /m);
  });
});
