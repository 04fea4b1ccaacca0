/** What depends on the kind of device, as far as it can be told without a GPU. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultBatchSize, shortageOf, usesTf32 } from '../../src/engine/batches.js';

const gpu = { device: 'cuda:1', model: 'htdemucs' };

describe('batches', () => {
  it('are of one segment on a CPU, of several on a GPU', () => {
    assert.equal(defaultBatchSize('cpu'), 1);
    assert.ok(defaultBatchSize('cuda:0') > 1);
  });

  it('leave precision alone on a CPU', () => {
    assert.equal(usesTf32('cpu', true), false);
    assert.equal(usesTf32('cuda:0', false), false);
    assert.equal(usesTf32('cuda:0', true), true);
  });

  it('that came through are nothing to tell', () => {
    assert.equal(shortageOf({ shrunkTo: 0, onCpu: 0 }, gpu), undefined);
  });

  it('that were too large are told with what became of them', () => {
    const smaller = shortageOf({ shrunkTo: 4, onCpu: 0 }, gpu);
    assert.ok(smaller);
    assert.deepEqual({ ...smaller, message: '' }, { ...gpu, batchSize: 4, onCpu: 0, message: '' });
    assert.match(smaller.message, /^cuda:1 has too little .* 4 segments of htdemucs/);

    const onCpu = shortageOf({ shrunkTo: 1, onCpu: 1 }, gpu);
    assert.equal(onCpu?.onCpu, 1);
    assert.match(onCpu.message, /the CPU ran 1 segment of htdemucs/);
  });
});
