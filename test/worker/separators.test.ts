import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createMetrics } from '../../src/observability/metrics.js';
import { Separators } from '../../src/worker/separators.js';
import { temporaryFolder } from '../support/audio.js';
import { modelsDir } from '../support/cli.js';
import { recordingLogger } from '../support/logs.js';

const SONG = {
  sampleRate: 44_100,
  channels: [new Float32Array(4410).fill(0.1), new Float32Array(4410).fill(0.1)],
};

function setting(context: TestContext, kept: number) {
  const folder = temporaryFolder(context);
  const edit = (changes: object, model = 'toy') => {
    const description = path.join(folder, model, 'model.json');
    const json = JSON.parse(readFileSync(description, 'utf8')) as object;
    writeFileSync(description, JSON.stringify({ ...json, ...changes }));
  };
  for (const name of ['toy', 'other']) {
    cpSync(path.join(modelsDir, 'toy'), path.join(folder, name), { recursive: true });
    edit({ name }, name);
  }
  cpSync(path.join(modelsDir, 'slow'), path.join(folder, 'slow'), { recursive: true });
  const { logger, events } = recordingLogger();
  const separators = new Separators({
    modelsDir: folder,
    device: 'cpu',
    threads: 1,
    kept,
    logger,
    metrics: createMetrics(),
  });
  context.after(() => separators.dispose());
  const loaded = () =>
    events.filter(({ event }) => event === 'model_loaded').map(({ model }) => model);
  return { folder, separators, edit, loaded };
}

describe('the loaded models of a worker', () => {
  it('are loaded once for all who ask, and stay while they are used', async (context) => {
    const { separators, loaded } = setting(context, 1);
    const [first, second] = await Promise.all([
      separators.acquire('toy'),
      separators.acquire('toy'),
    ]);
    assert.equal(first.separator, second.separator);
    assert.deepEqual(loaded(), ['toy']);

    (await separators.acquire('other')).release();
    first.release();
    first.release();
    await second.separator.separate(SONG, { stems: ['bass'] });
    second.release();
    await assert.rejects(second.separator.separate(SONG), { code: 'DISPOSED' });
    (await separators.acquire('other')).release();
    assert.deepEqual(loaded(), ['toy', 'other']);
  });

  it('follow their archives: replaced, broken, gone, back', async (context) => {
    const { folder, separators, edit, loaded } = setting(context, 2);
    const old = await separators.acquire('toy');
    edit({ notice: 'another' });
    const replaced = await separators.acquire('toy');
    assert.notEqual(old.hash, replaced.hash);
    assert.equal(replaced.separator.model.notice, 'another');
    assert.deepEqual(loaded(), ['toy', 'toy']);
    old.release();
    replaced.release();

    const file = path.join(folder, 'toy', 'toy.pt');
    const good = readFileSync(file);
    edit({ notice: 'broken' });
    writeFileSync(file, 'broken');
    await assert.rejects(separators.acquire('toy'), { code: 'MODEL_CHECKSUM' });
    writeFileSync(file, good);
    (await separators.acquire('toy')).release();

    rmSync(path.join(folder, 'toy'), { recursive: true });
    await assert.rejects(separators.acquire('toy'), { code: 'MODEL_NOT_FOUND' });
  });

  it('are waited for no longer than a job lasts, and loaded for the others', async (context) => {
    const { separators, loaded } = setting(context, 2);
    const reason = new Error('cancelled');
    const stop = new AbortController();
    const cancelled = separators.acquire('toy', stop.signal);
    const other = separators.acquire('toy');
    stop.abort(reason);
    await assert.rejects(cancelled, reason);
    (await other).release();
    assert.deepEqual(loaded(), ['toy']);
  });

  it('are let go of in the midst of their first run', async (context) => {
    const { separators, loaded } = setting(context, 2);
    const warm = assert.rejects(separators.warmUp('slow'), { code: 'DISPOSED' });
    await separators.acquire('toy');
    await separators.dispose();
    await warm;
    assert.deepEqual(loaded(), ['toy']);
  });
});
