/** What is promised about the measured speeds of models. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Speeds } from '../../src/worker/speeds.js';
import { temporaryFolder } from '../support/audio.js';

const models = Array.from({ length: 20 }, (_, index) => `model-${index}`);

describe('the measured speeds', () => {
  it('lose nothing when jobs end together, in one process or in several', async (context) => {
    const dataDir = temporaryFolder(context);
    // Each has a state of its own, as a process has.
    const processes = Array.from({ length: 4 }, () => new Speeds(dataDir, 'cpu'));
    await Promise.all(
      models.map((model, index) =>
        processes[index % 4]!.add(model, { work: 10 * (index + 1), seconds: 10 }),
      ),
    );
    const next = new Speeds(dataDir, 'cpu');
    const known = await Promise.all(models.map((model) => next.of(model)));
    assert.deepEqual(
      known,
      models.map((_, index) => index + 1),
    );
    const files = readdirSync(path.join(dataDir, 'speeds'));
    assert.equal(files.length, models.length, 'no file is left half-written');
  });

  it('count every job of a model, the last ones most', async (context) => {
    const dataDir = temporaryFolder(context);
    const speeds = new Speeds(dataDir, 'cpu');
    const durations = [10, 20, 40, 80];
    await Promise.all(durations.map((seconds) => speeds.add('model', { work: 80, seconds })));
    const sums = durations.reduce(
      ({ audio, work: sum }, seconds) => ({ audio: audio * 0.8 + 80, work: sum * 0.8 + seconds }),
      { audio: 0, work: 0 },
    );
    assert.equal(await speeds.of('model'), sums.audio / sums.work);
    assert.ok(sums.audio / sums.work < (4 * 80) / (10 + 20 + 40 + 80));
  });

  it('are those of one runtime', async (context) => {
    const dataDir = temporaryFolder(context);
    await new Speeds(dataDir, 'cpu').add('model', { work: 20, seconds: 10 });
    assert.equal(await new Speeds(dataDir, 'cpu').of('model'), 2);
    assert.equal(await new Speeds(dataDir, 'cuda').of('model'), null);
  });

  it('are measured again when a file is damaged', async (context) => {
    const dataDir = temporaryFolder(context);
    const speeds = new Speeds(dataDir, 'cpu');
    const measured = { work: 20, seconds: 10 };
    await speeds.add('model', measured);
    const folder = path.join(dataDir, 'speeds');
    writeFileSync(path.join(folder, readdirSync(folder)[0]!), '{"audio":');
    assert.equal(await speeds.of('model'), null);
    await speeds.add('model', measured);
    assert.equal(await speeds.of('model'), 2);
  });
});
