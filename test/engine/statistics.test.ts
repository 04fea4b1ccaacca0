/** The first pass over a song, without the addon. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adaptSource } from '../../src/engine/adapt-source.js';
import type { AudioArrays, AudioSource } from '../../src/engine/audio-source.js';
import { measureSource } from '../../src/engine/statistics.js';

const model = { name: 'toy', sampleRate: 44_100, channels: 2 };
const measure = (source: AudioArrays | AudioSource, signal: AbortSignal) =>
  measureSource(adaptSource(source, model), signal);

describe('the first pass over a song', () => {
  it('ends with the signal while arrays are measured', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const samples = new Float32Array(44_100 * 60);
    const measured = measure({ sampleRate: 44_100, channels: [samples, samples] }, abort.signal);
    setImmediate(() => abort.abort(reason));
    await assert.rejects(measured, reason);
  });

  it('ends with the signal even where the source does not heed it', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    let blocks = 0;
    const source: AudioSource = {
      sampleRate: 44_100,
      channelCount: 1,
      async *blocks() {
        for (; blocks < 10; blocks++) {
          await Promise.resolve();
          if (blocks === 2) abort.abort(reason);
          yield [new Float32Array(100)];
        }
      },
    };
    await assert.rejects(measure(source, abort.signal), reason);
    assert.equal(blocks, 2);
  });
});
