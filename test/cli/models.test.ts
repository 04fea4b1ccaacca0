/** `oxboard models` as a child process. */
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';

/** A folder of two models that a test may spoil. */
function library(context: TestContext): string {
  const folder = temporaryFolder(context);
  for (const name of ['toy', 'htdemucs']) {
    cpSync(path.join(modelsDir, name), path.join(folder, name), { recursive: true });
  }
  return folder;
}

const assertFits = (text: string): void => {
  assert.deepEqual(
    text.split('\n').filter((line) => line.length > 80),
    [],
    'lines longer than a terminal',
  );
};

describe('oxboard models', () => {
  it('lists what is installed, with what is to be known of it', async (context) => {
    const folder = library(context);
    for (const [args, env] of [
      [['--models-dir', folder], {}],
      [[], { DEMUCS_MODELS_PATH: folder }],
    ] as const) {
      const { status, stdout } = await oxboard(['models', 'list', ...args], { env });
      assert.equal(status, 0);
      assert.match(stdout, /^MODEL +STEMS +SIZE +LICENSE$/m);
      assert.match(stdout, /^htdemucs +drums, bass, other, vocals +\d+ kB +unknown$/m);
      assert.match(stdout, /^toy .*\n {2}.*untrained/m);
      assert.match(stdout, /^spleeter-2stems +vocals, accompaniment +\d+ MB +MIT, stated$/m);
      assert.match(stdout, /^htdemucs_ft .* none stated$/m);
      assertFits(stdout);
    }
  });

  it('says what speaks for each model, and measures the speed of one once', async (context) => {
    const folder = temporaryFolder(context);
    cpSync(path.join(modelsDir, 'toy'), path.join(folder, 'toy'), { recursive: true });
    const env = { XDG_CACHE_HOME: temporaryFolder(context) };
    const list = () => oxboard(['models', 'list', '--available', '--models-dir', folder], { env });
    const first = await list();
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stderr, /^Measuring the speed of toy, once$/m);
    const speed =
      /^toy \(installed\)\n {2}stems .*\n {2}quality .*\n {2}speed {4}(\d.* x real time here \(cpu, .*)/m;
    const measured = speed.exec(first.stdout)?.[1];
    assert.ok(measured, first.stdout);
    assert.match(
      first.stdout,
      /^spleeter-2stems\n {2}stems {4}vocals, accompaniment\n {2}quality {2}SDR vocals 6\.6 dB .*\n {2}speed {4}measured once it is installed\n {2}memory .*\n {2}size {5}73 MB to download.*\n {2}license {2}MIT \(stated for the weights\)\. Source: (.*\n)+?.*checked\s+2026-/m,
    );
    assert.match(first.stdout, /^htdemucs\n(.*\n)*? {2}license {2}none stated \(no grant/m);

    assertFits(first.stdout);

    const second = await list();
    assert.equal(second.stderr, '');
    assert.equal(speed.exec(second.stdout)?.[1], measured);
  });

  it('verifies checksums of one model or all', async (context) => {
    const folder = library(context);
    const verify = (...args: string[]) =>
      oxboard(['models', 'verify', ...args, '--models-dir', folder]);
    assert.equal((await verify()).status, 0);
    appendFileSync(path.join(folder, 'toy', 'toy.pt'), 'x');

    const one = await verify('htdemucs');
    assert.equal(one.status, 0);
    assert.match(one.stdout, /^htdemucs: /);

    const all = await verify();
    assert.equal(all.status, 1);
    assert.match(all.stdout, /^htdemucs: /m);
    assert.match(all.stderr, /^oxboard: .*toy\.pt differs from its checksum/);
  });

  it('tells archives that cannot be used, and removes them', async (context) => {
    const folder = library(context);
    writeFileSync(path.join(folder, 'toy', 'model.json'), '{}');
    const models = (...args: string[]) => oxboard(['models', ...args, '--models-dir', folder]);
    const listed = await models('list');
    assert.match(listed.stdout, /^htdemucs /m);
    assert.match(listed.stderr, /^Cannot be used: .*model\.json is malformed: name/m);
    const verified = await models('verify');
    assert.equal(verified.status, 1);
    assert.match(verified.stdout, /^htdemucs: /m);
    assert.match(verified.stderr, /^oxboard: .*model\.json is malformed/m);
    assert.equal((await models('remove', 'toy')).status, 0);
    assert.equal((await models('verify')).status, 0);
  });

  it('removes a model, and names what is installed when it is not there', async (context) => {
    const folder = library(context);
    const remove = () => oxboard(['models', 'remove', 'toy', '--models-dir', folder]);
    assert.equal((await remove()).status, 0);
    assert.ok(!existsSync(path.join(folder, 'toy')));
    assert.ok(existsSync(path.join(folder, 'htdemucs')));
    const again = await remove();
    assert.equal(again.status, 1);
    assert.match(again.stderr, /^oxboard: Model "toy" is not installed.*htdemucs/);
  });

  it('checks the arguments of an export before it makes a Python environment', async (context) => {
    const exportOf = (...args: string[]) => oxboard(['models', 'export', 'htdemucs', ...args]);
    const repository = temporaryFolder(context);
    for (const file of ['mdx.yaml', '0d19c1c6-dfe2b5d9.th', 'htdemucs2.yaml', 'notes.txt']) {
      writeFileSync(path.join(repository, file), '');
    }
    const file = path.join(repository, 'notes.txt');
    for (const [args, message] of [
      [[], /--repo/],
      [['--repo', path.join(repository, 'none')], /Expected folder of .* for --repo but/],
      [['--repo', file], /Expected folder of .* for --repo but/],
      [['--repo', repository], /did you mean htdemucs2\? It has: 0d19c1c6, htdemucs2, mdx$/m],
    ] as const) {
      const { status, stderr } = await exportOf(...args);
      assert.equal(status, 2);
      assert.match(stderr, message);
    }
    writeFileSync(path.join(repository, 'htdemucs.yaml'), '');
    const { status, stderr } = await exportOf('--repo', repository, '--models-dir', file);
    assert.equal(status, 2);
    assert.match(stderr, /Expected folder for --models-dir but/);
  });
});
