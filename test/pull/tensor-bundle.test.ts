/** TensorFlow checkpoints come from the network: a damaged one is an error, and never more than that. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { readTensorBundle, verifyTensors } from '../../src/pull/tensor-bundle.js';
import { temporaryFolder } from '../support/audio.js';
import { randomNumbers } from '../support/random.js';
import { bundleOf, type BundleTensor } from '../support/tensor-bundle.js';

const floats = (count: number): Buffer =>
  Buffer.from(Float32Array.from({ length: count }, (_, i) => i / 7).buffer);

const TENSORS: BundleTensor[] = [
  { name: 'conv2d/bias', shape: [3], data: floats(3) },
  { name: 'conv2d/kernel', shape: [2, 2, 1, 3], data: floats(12) },
  { name: 'conv2d_1/bias', shape: [300], data: floats(300) },
  { name: 'scalar', shape: [], data: floats(1) },
  { name: 'global_step', shape: [], data: Buffer.alloc(8), dtype: 9 },
];

const honest = bundleOf(TENSORS);

const isInvalid = (error: unknown): boolean =>
  error instanceof OxboardError &&
  error.code === 'MODEL_INVALID' &&
  // Names out of the file must not reach a terminal as they are.
  !/[\0-\x1f]/.test(error.message); // eslint-disable-line no-control-regex

function files(folder: string, { index = honest.index, data = honest.data } = {}) {
  const prefix = path.join(folder, 'model');
  const [indexPath, dataPath] = [`${prefix}.index`, `${prefix}.data-00000-of-00001`] as const;
  writeFileSync(indexPath, index);
  writeFileSync(dataPath, data);
  return [indexPath, dataPath] as const;
}

describe('reading a TensorFlow checkpoint', () => {
  it('finds every float32 tensor, and its checksum fits', async (context) => {
    const [index, data] = files(temporaryFolder(context));
    const tensors = await readTensorBundle(index, data);
    const expected = TENSORS.filter(({ dtype }) => dtype === undefined);
    assert.deepEqual([...tensors.keys()].sort(), expected.map(({ name }) => name).sort());
    for (const { name, shape, data: bytes } of expected) {
      const tensor = tensors.get(name);
      assert.deepEqual(tensor?.shape, shape);
      const { offset, bytes: size } = tensor;
      assert.deepEqual(honest.data.subarray(offset, offset + size), bytes);
    }
    await verifyTensors(data, tensors.values());
  });

  it('refuses a tensor whose bytes were changed, by name', async (context) => {
    const changed = Buffer.from(honest.data);
    const [index, data] = files(temporaryFolder(context), { data: changed });
    const tensors = await readTensorBundle(index, data);
    const { offset = 0 } = tensors.get('conv2d_1/bias') ?? {};
    changed.writeUInt8((changed[offset + 10] ?? 0) ^ 1, offset + 10);
    writeFileSync(data, changed);
    await assert.rejects(verifyTensors(data, tensors.values()), /checksum of "conv2d_1\/bias"/);
  });

  const damaged: Record<string, { index?: Buffer; data?: Buffer }> = {
    'an empty index': { index: Buffer.alloc(0) },
    'an index without its end': { index: honest.index.subarray(0, -1) },
    'an index without its beginning': { index: honest.index.subarray(1) },
    'data that is cut short': { data: honest.data.subarray(0, -20) },
    'a shape that does not fit': {
      index: bundleOf([{ name: 'x', shape: [4], data: floats(3) }]).index,
    },
    'the same name twice': {
      index: bundleOf([
        { name: 'x', shape: [1], data: floats(1) },
        { name: 'x', shape: [1], data: floats(1) },
      ]).index,
    },
    'a name without end': {
      index: bundleOf([{ name: 'x'.repeat(2000), shape: [1], data: floats(1) }]).index,
    },
    'a shape of numbers beyond reason': {
      index: bundleOf([{ name: 'x', shape: [2 ** 52, 2 ** 52], data: floats(3) }]).index,
    },
  };
  for (const [name, content] of Object.entries(damaged)) {
    it(`refuses ${name}`, async (context) => {
      const [index, data] = files(temporaryFolder(context), content);
      await assert.rejects(readTensorBundle(index, data), isInvalid);
    });
  }

  it('answers whatever the bytes of the index are', async (context) => {
    const folder = temporaryFolder(context);
    const random = randomNumbers(1);
    const below = (limit: number) => Math.floor(random() * limit);
    // Behind a checksum that fits, so that what reads the entries meets it.
    const damage = (block: Buffer): Buffer => {
      const changed = Buffer.from(block);
      if (below(4) === 0) return changed.subarray(below(changed.length));
      for (let count = 1 + below(3); count > 0; count--) {
        changed[below(changed.length)] = below(256);
      }
      return changed;
    };
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const [index, data] = files(folder, { index: bundleOf(TENSORS, damage).index });
      try {
        await readTensorBundle(index, data);
      } catch (error) {
        assert.ok(isInvalid(error), String(error));
        refused++;
      }
    }
    assert.ok(refused > 1000, `${String(refused)} of 2000 were refused`);
  });
});
