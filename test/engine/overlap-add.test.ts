/** Models whose segments are added as they are, and whose input is not normalized. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Separator, type StreamOptions } from '../../src/index.js';
import { loadNative } from '../../src/native.js';
import { temporaryFolder } from '../support/audio.js';
import { randomNumbers } from '../support/random.js';

const SEGMENT = 3000;
const OVERLAP = 700;
const LEAD = 1000;

/** A network whose neighboring segments fade into each other by themselves; it is not linear. */
async function load(context: TestContext): Promise<Separator> {
  const modelsDir = temporaryFolder(context);
  const archive = path.join(modelsDir, 'faded');
  mkdirSync(archive);
  const fade = Float32Array.from({ length: SEGMENT }, (_, i) =>
    Math.min(1, (i + 1) / (OVERLAP + 1), (SEGMENT - i) / (OVERLAP + 1)),
  );
  const weights = path.join(modelsDir, 'fade.f32');
  writeFileSync(weights, fade);
  const out = path.join(archive, 'network.pt');
  const script = `
def forward(self, x):
    y = x * self.fade
    return torch.stack([y, torch.abs(x) * y], 1)
`;
  const fill = {
    name: 'fade',
    dtype: 'F32' as const,
    shape: [SEGMENT],
    offset: 0,
    bytes: 4 * SEGMENT,
  };
  await loadNative().fillSkeleton({ script, weights, out, parameters: [fill] });
  const sha256 = createHash('sha256').update(readFileSync(out)).digest('hex');
  const description = {
    name: 'faded',
    family: 'test',
    sources: ['plain', 'squared'],
    sampleRate: 44_100,
    channels: 2,
    segment: SEGMENT,
    minLength: SEGMENT,
    normalize: 'none',
    overlapAdd: { overlap: OVERLAP, lead: LEAD },
    members: [{ file: 'network.pt', sha256, weights: [1, 1] }],
  };
  writeFileSync(path.join(archive, 'model.json'), JSON.stringify(description));
  const separator = await Separator.load('faded', { modelsDir, device: 'cpu' });
  context.after(() => separator.dispose());
  return separator;
}

/** Far from mean 0 and deviation 1, which normalizing would change. */
function song(frames: number) {
  const random = randomNumbers(frames);
  const channels = [0, 1].map(() =>
    Float32Array.from({ length: frames }, () => 0.3 + random() / 8),
  );
  return { sampleRate: 44_100, channels };
}

async function collect(separator: Separator, frames: number, options: StreamOptions = {}) {
  const blocks: Float32Array[] = [];
  for await (const { stems } of separator.stream(song(frames), options)) {
    blocks.push(stems.squared?.[1] ?? new Float32Array());
  }
  return Float32Array.from(blocks.flatMap((block) => [...block]));
}

describe('a model whose segments are added', () => {
  it('gives the samples of its network, whatever the length', async (context) => {
    const separator = await load(context);
    for (const frames of [1, OVERLAP, SEGMENT - LEAD, SEGMENT, 10_001]) {
      const audio = song(frames);
      const { stems, manifest } = await separator.separate(audio);
      for (const [channel, input] of audio.channels.entries()) {
        for (const [i, x] of input.entries()) {
          assert.ok(Math.abs((stems.plain?.[channel]?.[i] ?? NaN) - x) < 1e-6, String(i));
          assert.ok(Math.abs((stems.squared?.[channel]?.[i] ?? NaN) - x * x) < 1e-6, String(i));
        }
      }
      assert.equal(manifest.options.overlap, OVERLAP / SEGMENT);
    }
  });

  it('goes on where it was interrupted, with the same bytes', async (context) => {
    const separator = await load(context);
    const frames = 25_000;
    const whole = await collect(separator, frames);
    for (const resumeFrom of [1, SEGMENT, 11_111, frames]) {
      assert.deepEqual(
        await collect(separator, frames, { resumeFrom }),
        whole.subarray(resumeFrom),
      );
    }
    const shifted = { shifts: 2, seed: 7 };
    assert.deepEqual(
      await collect(separator, frames, { ...shifted, resumeFrom: 9000 }),
      (await collect(separator, frames, shifted)).subarray(9000),
    );
  });

  it('ends when it is told to', async (context) => {
    const separator = await load(context);
    const stop = new AbortController();
    const reason = new Error('enough');
    const stream = separator.stream(song(100_000), { signal: stop.signal });
    await assert.rejects(async () => {
      for await (const block of stream) if (block.offset === 0) stop.abort(reason);
    }, reason);
  });

  it('refuses segments of another length', async (context) => {
    const separator = await load(context);
    assert.throws(() => separator.stream(song(10), { segment: 0.01 }), { code: 'INVALID_OPTION' });
  });
});
