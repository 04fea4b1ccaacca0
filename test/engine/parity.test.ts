/**
 * The engine against Python Demucs: tiny archives of every kind and the PCM that
 * `demucs.apply.apply_model` gave for them, recorded by `npm run parity -- --record`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Separator } from 'oxboard-demucs';
import { measureSource } from '../../src/engine/statistics.js';
import { adaptSource } from '../../src/engine/adapt-source.js';
import { findModel } from '../../src/models/library.js';
import { maxShift } from '../../src/model-options.js';
import { loadNative } from '../../src/native.js';
import { OPTIMIZATIONS } from '../../src/options.js';

interface Case {
  name: string;
  model: string;
  input: string;
  /** Sample frames used of the input, and all that it holds. */
  frames: number;
  inputFrames: number;
  sampleRate: number;
  channels: number;
  options: {
    overlap: number;
    segment?: number;
    transitionPower?: number;
    shiftOffsets?: number[][];
  };
  stems: Record<string, string>;
}

const fixtures = new URL('../fixtures/', import.meta.url);
const modelsDir = fileURLToPath(new URL('models', fixtures));
const { cases } = JSON.parse(readFileSync(new URL('index.json', fixtures), 'utf8')) as {
  cases: Case[];
};

function readFloats(name: string): Float32Array {
  const bytes = readFileSync(new URL(name, fixtures));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Rows of a (channels, frames) file, cut to `frames`. */
function readChannels(name: string, channels: number, stride: number, frames: number) {
  const all = readFloats(name);
  return Array.from({ length: channels }, (_, channel) =>
    all.slice(channel * stride, channel * stride + frames),
  );
}

/** Energy of the reference over energy of the difference, in dB. */
function agreement(reference: Float32Array[], actual: Float32Array[]): number {
  let signal = 0;
  let noise = 0;
  for (const [channel, row] of reference.entries()) {
    const other = actual[channel] ?? new Float32Array();
    assert.equal(other.length, row.length);
    for (const [i, value] of row.entries()) {
      signal += value ** 2;
      noise += (value - (other[i] ?? NaN)) ** 2;
    }
  }
  return 10 * Math.log10(signal / noise);
}

/** Separates with given shift offsets, which the public API draws from its seed. */
async function separateShifted(
  { model: name, options, sampleRate }: Case,
  channels: Float32Array[],
): Promise<Record<string, Float32Array[]>> {
  const native = loadNative();
  const { description, directory } = await findModel(name, { modelsDir });
  const model = await native.loadModel(
    {
      ...description,
      sources: description.sources.length,
      members: description.members.map((m) => ({ ...m, file: `${directory}/${m.file}` })),
    },
    'cpu',
    2,
    OPTIMIZATIONS,
    false,
  );
  const song = await measureSource(adaptSource({ sampleRate, channels }, description));
  const session = new native.Session(model, {
    length: song.frames,
    segment: description.segment,
    overlap: options.overlap,
    transitionPower: options.transitionPower ?? 1,
    sources: description.sources.map((_, index) => index),
    shiftOffsets: options.shiftOffsets ?? description.members.map(() => []),
    maxShift: maxShift(sampleRate),
    batchSize: 2,
    resumeFrom: 0,
    mean: song.mean,
    deviation: song.deviation,
    silent: song.silent,
  });
  session.push(channels);
  const stems = description.sources.map(() => channels.map(() => [] as number[]));
  while (!session.done) {
    await session.step();
    for (const [k, rows] of session.take(session.framesReady).entries()) {
      for (const [c, row] of rows.entries()) stems[k]?.[c]?.push(...row);
    }
  }
  session.dispose();
  model.dispose();
  return Object.fromEntries(
    description.sources.map((source, k) => [
      source,
      (stems[k] ?? []).map((row) => Float32Array.from(row)),
    ]),
  );
}

for (const fixture of cases) {
  void test(`parity: ${fixture.name}`, async () => {
    const { model, input, frames, inputFrames, sampleRate, channels, options } = fixture;
    const song = readChannels(input, channels, inputFrames, frames);
    let stems: Record<string, Float32Array[]>;
    if (options.shiftOffsets) {
      stems = await separateShifted(fixture, song);
    } else {
      await using separator = await Separator.load(model, { modelsDir, device: 'cpu', threads: 2 });
      ({ stems } = await separator.separate({ sampleRate, channels: song }, options));
    }
    assert.deepEqual(Object.keys(stems), Object.keys(fixture.stems));
    for (const [stem, file] of Object.entries(fixture.stems)) {
      const reference = readChannels(file, channels, frames, frames);
      const decibels = agreement(reference, stems[stem] ?? []);
      assert.ok(decibels >= 90, `${stem}: ${decibels.toFixed(1)} dB`);
    }
  });
}
