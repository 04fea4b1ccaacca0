/** The folder of models: what is found, preferred, refused and removed. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { verifyModel } from '../../src/models/archive.js';
import {
  defaultModel,
  findModel,
  isModel,
  listArchives,
  listModels,
  removeModel,
} from '../../src/models/library.js';
import { temporaryFolder } from '../support/audio.js';
import { modelsDir as fixtures } from '../support/cli.js';

const EMBEDDED = 'oxboard-mini';

/** A models folder with copies of the toy model under the given names. */
function library(context: TestContext, ...names: string[]): string {
  const modelsDir = temporaryFolder(context);
  for (const name of names) addModel(modelsDir, name);
  return modelsDir;
}

function addModel(modelsDir: string, name: string): string {
  const folder = path.join(modelsDir, name);
  cpSync(path.join(fixtures, 'toy'), folder, { recursive: true });
  const file = path.join(folder, 'model.json');
  const description = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...description, name }));
  return folder;
}

const namesIn = async (modelsDir: string) =>
  (await listModels({ modelsDir })).map(({ name }) => name);

describe('the model library', () => {
  it('lists its models and the embedded one by name', async (context) => {
    const modelsDir = library(context, 'zeta', 'alpha');
    assert.deepEqual(await namesIn(modelsDir), ['alpha', EMBEDDED, 'zeta']);
    const { embedded, directory, sizeBytes } = await findModel('zeta', { modelsDir });
    assert.equal(embedded, false);
    assert.equal(directory, path.join(modelsDir, 'zeta'));
    assert.equal(sizeBytes, readFileSync(path.join(directory, 'toy.pt')).length);
  });

  it('finds the embedded model whatever the folder is, unless another hides it', async (context) => {
    for (const modelsDir of [undefined, '/no/such/folder', library(context)]) {
      assert.equal((await findModel(EMBEDDED, { modelsDir })).embedded, true);
    }
    const modelsDir = library(context, EMBEDDED);
    assert.equal((await findModel(EMBEDDED, { modelsDir })).embedded, false);
    assert.deepEqual(await namesIn(modelsDir), [EMBEDDED]);
  });

  it('prefers the configured model, then the best, then any, the embedded one last', async (context) => {
    const modelsDir = library(context);
    const best = async (configured?: string) =>
      (await defaultModel({ modelsDir, configured })).name;
    assert.equal(await best(), EMBEDDED);
    addModel(modelsDir, 'mine');
    assert.equal(await best(), 'mine');
    addModel(modelsDir, 'htdemucs');
    assert.equal(await best(), 'htdemucs');
    addModel(modelsDir, 'htdemucs_ft');
    assert.equal(await best(), 'htdemucs_ft');
    assert.equal(await best('mine'), 'mine');
    await assert.rejects(best('absent'), { code: 'MODEL_NOT_FOUND' });
  });

  it('does not prefer a model that cannot be used', async (context) => {
    const modelsDir = library(context, 'htdemucs_ft', 'mine');
    rmSync(path.join(modelsDir, 'htdemucs_ft', 'toy.pt'));
    assert.equal((await defaultModel({ modelsDir })).name, 'mine');
  });

  it('names what is installed when a model is not', async (context) => {
    const modelsDir = library(context, 'mine');
    for (const name of ['absent', '', '..', '../mine', '/', 'mine/', '\0', '__proto__']) {
      await assert.rejects(findModel(name, { modelsDir }), {
        code: 'MODEL_NOT_FOUND',
        message: `Model "${name}" is not installed in ${modelsDir}. Installed: mine, ${EMBEDDED}. "oxboard models list" names those that can be installed`,
      });
    }
  });

  it('passes over what is no archive', async (context) => {
    const modelsDir = library(context, 'mine');
    writeFileSync(path.join(modelsDir, 'README.md'), 'models');
    mkdirSync(path.join(modelsDir, 'empty'));
    const archives = await listArchives({ modelsDir });
    assert.deepEqual(
      archives.map(({ name }) => name),
      ['mine', EMBEDDED],
    );
  });

  for (const [flaw, spoil, message] of [
    ['a missing network file', (f: string) => rmSync(path.join(f, 'toy.pt')), /toy\.pt.*missing/],
    ['text', (f: string) => writeFileSync(path.join(f, 'model.json'), 'hello'), /is not JSON/],
    ['an empty file', (f: string) => writeFileSync(path.join(f, 'model.json'), ''), /is not JSON/],
    [
      'an empty object',
      (f: string) => writeFileSync(path.join(f, 'model.json'), '{}'),
      /malformed: name/,
    ],
    [
      'a folder as its description',
      (f: string) => {
        rmSync(path.join(f, 'model.json'));
        mkdirSync(path.join(f, 'model.json'));
      },
      /cannot be read \(EISDIR\)/,
    ],
  ] as const) {
    it(`tells and removes an archive with ${flaw}, and keeps the good ones`, async (context) => {
      const modelsDir = library(context, 'good', 'bad');
      spoil(path.join(modelsDir, 'bad'));
      assert.deepEqual(await namesIn(modelsDir), ['good', EMBEDDED]);
      const archives = await listArchives({ modelsDir });
      const bad = archives.find(({ name }) => name === 'bad');
      assert.ok(bad && !isModel(bad.outcome));
      await assert.rejects(findModel('bad', { modelsDir }), { code: 'MODEL_INVALID', message });

      assert.equal(await removeModel('bad', { modelsDir }), path.join(modelsDir, 'bad'));
      assert.ok(!existsSync(path.join(modelsDir, 'bad')));
      assert.ok(existsSync(path.join(modelsDir, 'good', 'toy.pt')));
    });
  }

  it('refuses to remove the embedded model and what is not there', async (context) => {
    const modelsDir = library(context);
    await assert.rejects(removeModel(EMBEDDED, { modelsDir }), { code: 'INVALID_OPTION' });
    await assert.rejects(removeModel('..', { modelsDir }), { code: 'MODEL_NOT_FOUND' });
    assert.ok(existsSync(modelsDir));
  });

  it('compares checksums', async (context) => {
    const modelsDir = library(context, 'mine');
    const model = await findModel('mine', { modelsDir });
    await verifyModel(model);
    appendFileSync(path.join(model.directory, 'toy.pt'), 'x');
    await assert.rejects(verifyModel(model), {
      code: 'MODEL_CHECKSUM',
      message: /toy\.pt differs from its checksum/,
    });
  });
});
