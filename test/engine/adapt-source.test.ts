/** Arrays of any rate, number of channels and realm, as a model takes them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { adaptSource } from '../../src/engine/adapt-source.js';
import type { AudioArrays } from '../../src/engine/audio-source.js';
import { differenceDb } from '../support/audio.js';

const MODEL = { name: 'toy', sampleRate: 44_100, channels: 2 };

const sine = (hertz: number, sampleRate: number, frames: number) =>
  Float32Array.from(
    { length: frames },
    (_, n) => 0.5 * Math.sin((2 * Math.PI * hertz * n) / sampleRate),
  );

async function adapted(arrays: AudioArrays, { resample = true, model = MODEL } = {}) {
  const source = adaptSource(arrays, model, resample);
  assert.equal(source.sampleRate, model.sampleRate);
  assert.equal(source.channelCount, model.channels);
  const rows = Array.from({ length: model.channels }, () => [] as number[]);
  for await (const block of source.blocks()) {
    for (const [index, row] of rows.entries()) row.push(...block[index]!);
  }
  return rows.map((row) => Float32Array.from(row));
}

describe('arrays that are converted', () => {
  for (const sampleRate of [48_000, 22_050, 96_000, 44_101]) {
    it(`from ${String(sampleRate)} Hz keep pitch, level and length`, async () => {
      const frames = sampleRate + 1;
      const channels = [sine(440, sampleRate, frames), sine(9000, sampleRate, frames)];
      const [left, right] = await adapted({ sampleRate, channels });
      const expected = Math.ceil((frames * 44_100) / sampleRate);
      assert.equal(left!.length, expected);
      const inner = (samples: Float32Array) => samples.slice(500, -500);
      assert.ok(differenceDb(inner(sine(440, 44_100, expected)), inner(left!)) < -80);
      assert.ok(differenceDb(inner(sine(9000, 44_100, expected)), inner(right!)) < -80);
    });
  }

  it('lose what the new rate cannot hold', async () => {
    const channels = [sine(30_000, 96_000, 96_000)];
    const [left] = await adapted({ sampleRate: 96_000, channels });
    assert.ok(left!.slice(500, -500).every((sample) => Math.abs(sample) < 1e-4));
  });

  it('are mixed to the channels of the model', async () => {
    const constant = (value: number) => new Float32Array(10).fill(value);
    const first = async (values: number[], channels: number) => {
      const arrays = { sampleRate: 44_100, channels: values.map(constant) };
      const rows = await adapted(arrays, { model: { ...MODEL, channels } });
      return rows.map((row) => row[0]);
    };
    assert.deepEqual(await first([0.5], 2), [0.5, 0.5]);
    assert.deepEqual(await first([0.5, 0.25], 1), [0.375]);
    assert.deepEqual(await first([1, 0, 0.5, 0.5], 2), [0.75, 0.25]);
  });

  it('are refused unless it is asked for', () => {
    const channels = [new Float32Array(10)];
    assert.throws(() => adaptSource({ sampleRate: 48_000, channels }, MODEL), {
      code: 'INVALID_OPTION',
      message: /44100 \(that of toy; or set resample\) for sampleRate but received 48000/,
    });
    assert.throws(() => adaptSource({ sampleRate: Number.NaN, channels }, MODEL, true), {
      code: 'INVALID_OPTION',
    });
  });
});

describe('Float32Arrays', () => {
  const samples = [0.25, -0.5, 0.75];

  it('of another realm are taken', async () => {
    const foreign = runInNewContext('Float32Array.from(samples)', { samples }) as Float32Array;
    assert.ok(!(foreign instanceof Float32Array));
    const [left] = await adapted({ sampleRate: 44_100, channels: [foreign] }, { resample: false });
    assert.deepEqual([...left!], samples);
  });

  it('on shared memory are taken', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set(samples);
    const [left] = await adapted({ sampleRate: 44_100, channels: [shared] }, { resample: false });
    assert.deepEqual([...left!], samples);
  });
});
