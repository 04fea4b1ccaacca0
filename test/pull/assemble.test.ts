/** Published weights and a graph of the package make a network that runs. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Separator } from '../../src/index.js';
import { assembleMember } from '../../src/pull/assemble.js';
import { OxboardError } from '../../src/errors.js';
import { loadNative } from '../../src/native.js';
import { temporaryFolder } from '../support/audio.js';
import { skeleton, writePublished } from '../support/published.js';

const { signal } = new AbortController();
const family = 'demucs';

describe('published weights of full size', () => {
  it('become an archive that separates, in memory for the weights once', async (context) => {
    const folder = temporaryFolder(context);
    const weights = path.join(folder, 'weights.safetensors');
    const description = skeleton('hdemucs_complex');
    writePublished(weights, description, { changes: { segment: 44 } });
    const archive = path.join(folder, 'assembled');
    mkdirSync(archive);
    const out = path.join(archive, 'network.pt');
    loadNative();

    const before = process.resourceUsage().maxRSS;
    const { sha256, ...facts } = await assembleMember({ family, weights, out, signal });
    const grown = (process.resourceUsage().maxRSS - before) * 1024;
    const numbers = description.parameters.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    const bytes = 4 * numbers.reduce((a, b) => a + b, 0);
    assert.ok(grown < 1.5 * bytes, `${grown} bytes for ${bytes} bytes of weights`);

    const sources = ['drums', 'bass', 'other', 'vocals'];
    const expected = { sources, segment: 1_940_400, minLength: 1, sampleRate: 44_100, channels: 2 };
    assert.deepEqual(facts, expected);
    const members = [{ file: 'network.pt', sha256, weights: [1, 1, 1, 1] }];
    const model = { name: 'assembled', ...facts, members };
    writeFileSync(path.join(archive, 'model.json'), JSON.stringify(model));
    await using separator = await Separator.load('assembled', { modelsDir: folder, device: 'cpu' });
    const channels = [0.02, 0.03].map((pitch) =>
      Float32Array.from({ length: 44_100 }, (_, frame) => Math.sin(frame * pitch)),
    );
    const { stems } = await separator.separate({ sampleRate: 44_100, channels });
    assert.deepEqual(Object.keys(stems), sources);
    for (const stem of Object.values(stems).flat()) {
      assert.equal(stem.length, 44_100);
      assert.ok(stem.every(Number.isFinite) && stem.some((sample) => sample !== 0));
    }
  });

  it('leave nothing behind when the work is aborted or fails', async (context) => {
    const folder = temporaryFolder(context);
    const weights = path.join(folder, 'weights.safetensors');
    const out = path.join(folder, 'network.pt');
    writePublished(weights, skeleton('htdemucs_6'), { sparse: true });

    const stop = new AbortController();
    const aborted = assembleMember({ family, weights, out, signal: stop.signal });
    const reason = new Error('enough');
    const watch = setInterval(() => existsSync(out) && stop.abort(reason), 1);
    await assert.rejects(aborted, (error) => error === reason);
    clearInterval(watch);
    await assert.rejects(assembleMember({ family, weights, out, signal: stop.signal }), reason);

    const refusal = (code: string) => (error: unknown) =>
      error instanceof OxboardError && error.code === code;
    const nowhere = path.join(folder, 'no', 'such', 'folder.pt');
    await assert.rejects(
      assembleMember({ family, weights, out: nowhere, signal }),
      refusal('OUTPUT_UNWRITABLE'),
    );
    truncateSync(weights, 1 << 20);
    await assert.rejects(
      assembleMember({ family, weights, out, signal }),
      refusal('MODEL_INVALID'),
    );
    assert.deepEqual(readdirSync(folder), ['weights.safetensors']);
  });
});
