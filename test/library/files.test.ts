/** Files as input and output of the library. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { decodeFile, encodeFile, separateFile, Separator } from '../../src/index.js';
import type { FileProgress } from '../../src/index.js';
import { makeAudio, peak, readAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir } from '../support/cli.js';

const folder = temporaryFolder({ after });
const at = (name: string) => path.join(folder, name);
const FLOAT = { seconds: 2, options: ['-c:a', 'pcm_f32le'] };
const song = makeAudio(at('song.wav'), '0.4*sin(2*PI*440*t)|0.3*sin(2*PI*330*t)', FLOAT);
const RATE = 44_100;

const sine = (hertz: number, frames: number, sampleRate = RATE) =>
  Float32Array.from(
    { length: frames },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / sampleRate),
  );

const hasCode = (code: string) => ({ name: 'OxboardError', code });

describe('decodeFile', () => {
  it('gives the samples of the file', async () => {
    const { sampleRate, channels, warnings } = await decodeFile(song);
    assert.equal(sampleRate, RATE);
    assert.deepEqual(channels, readAudio(song));
    assert.deepEqual(warnings, []);
  });

  it('converts to a sample rate and a number of channels', async () => {
    const { sampleRate, channels } = await decodeFile(song, { sampleRate: 48_000, channels: 1 });
    assert.equal(sampleRate, 48_000);
    assert.equal(channels.length, 1);
    assert.equal(channels[0]?.length, 96_000);
  });

  it('says what is wrong with a file or an option', async () => {
    writeFileSync(at('text.wav'), 'no audio');
    await assert.rejects(decodeFile(at('none.wav')), hasCode('INPUT_NOT_FOUND'));
    await assert.rejects(decodeFile(at('text.wav')), hasCode('INPUT_NOT_AUDIO'));
    await assert.rejects(decodeFile(song, { channels: 3 }), hasCode('INVALID_OPTION'));
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(decodeFile(song, { signal }), { message: 'enough' });
  });
});

describe('encodeFile', () => {
  it('writes arrays that come back as they were', async () => {
    const channels = [sine(440, RATE), sine(220, RATE)];
    const file = at('new/tone.wav');
    const written = await encodeFile(file, { sampleRate: RATE, channels }, { bitDepth: '32f' });
    assert.deepEqual(
      { format: written.format, channels: written.channels, frames: written.frames },
      { format: 'wav', channels: 2, frames: RATE },
    );
    assert.deepEqual(readAudio(file), channels);
    assert.deepEqual(readdirSync(at('new')), ['tone.wav']);
  });

  it('takes the bit depth as a number, and the format from the name', async () => {
    const mono = sine(440, RATE);
    const { format } = await encodeFile(
      at('voice.FLAC'),
      { sampleRate: RATE, channels: [mono] },
      { bitDepth: 24 },
    );
    assert.equal(format, 'flac');
    const [back] = readAudio(at('voice.FLAC'), 1);
    const error = mono.map((sample, index) => Math.abs(sample - (back?.[index] ?? NaN)));
    assert.ok(
      Math.max(...error) < 2 ** -22,
      `${String(Math.max(...error))} is a 24-bit step with dither at most`,
    );
  });

  it('converts the sample rate where a format has its own', async () => {
    const channels = [sine(440, RATE)];
    const { sampleRate, frames } = await encodeFile(at('tone.opus'), {
      sampleRate: RATE,
      channels,
    });
    assert.deepEqual([sampleRate, frames], [48_000, 48_000]);
  });

  it('refuses what it cannot write, and leaves nothing', async () => {
    const audio = { sampleRate: RATE, channels: [sine(440, 100)] };
    const before = readdirSync(folder);
    await assert.rejects(encodeFile(at('tone.xyz'), audio), hasCode('INVALID_OPTION'));
    await assert.rejects(
      encodeFile(at('a.wav'), { ...audio, channels: [] }),
      hasCode('INVALID_OPTION'),
    );
    const broken = { ...audio, channels: [new Float32Array([0, NaN])] };
    await assert.rejects(encodeFile(at('a.wav'), broken), hasCode('INPUT_NOT_FINITE'));
    const empty = { ...audio, channels: [new Float32Array(0)] };
    await assert.rejects(encodeFile(at('a.wav'), empty), hasCode('INPUT_EMPTY'));
    assert.deepEqual(readdirSync(folder), before);
  });
});

describe('files of the library', () => {
  it('are separated into files, with progress', async () => {
    const progress: FileProgress[] = [];
    const out = at('out');
    const { stems, manifest, nullTestDb } = await separateFile(song, {
      model: 'toy', modelsDir, out, format: 'flac', twoStems: 'vocals', seed: 1,
      onProgress: (one) => progress.push(one),
    }); // prettier-ignore
    assert.deepEqual(Object.keys(stems).sort(), ['no_vocals', 'vocals']);
    for (const { path: file, frames } of Object.values(stems)) {
      assert.ok(existsSync(file));
      assert.equal(frames, 2 * RATE);
    }
    assert.equal(typeof nullTestDb, 'number');
    assert.ok('model' in manifest);
    const stages = [...new Set(progress.map(({ stage }) => stage))];
    assert.deepEqual(stages, ['decoding', 'separating', 'encoding']);
  });

  it('have the samples that arrays of the same audio give', async () => {
    await using separator = await Separator.load('toy', { modelsDir });
    const { stems } = await separator.separateFile(song, {
      out: at('exact'), stems: ['vocals'], bitDepth: '32f', clipMode: 'none',
    }); // prettier-ignore
    const { sampleRate, channels } = await decodeFile(song);
    const arrays = await separator.separate({ sampleRate, channels }, { stems: ['vocals'] });
    // The types have the names that were asked for: no `?.` is needed.
    assert.deepEqual(readAudio(stems.vocals.path), arrays.stems.vocals);
  });

  it('that are silent are silent to the bit in every format that keeps bits', async () => {
    const silence = makeAudio(at('silence.wav'), '0|0', { seconds: 3 });
    await using separator = await Separator.load('toy', { modelsDir });
    for (const [format, bitDepth] of [
      ['wav', '16'],
      ['wav', '24'],
      ['wav', '32f'],
      ['flac', '16'],
    ] as const) {
      const options = { out: at('silent'), stems: ['vocals' as const], format, bitDepth };
      const { stems } = await separator.separateFile(silence, options);
      for (const samples of readAudio(stems.vocals.path)) {
        assert.equal(samples.length, 3 * RATE);
        assert.equal(peak(samples), 0);
      }
    }
  });

  it('are refused by name before a model is loaded', async () => {
    const wrong = { model: 'missing', modelsDir, formt: 'mp3' } as object;
    await assert.rejects(separateFile(song, wrong), { code: 'INVALID_OPTION', message: /format/ });
    await assert.rejects(separateFile(song, { thread: 1 } as object), {
      code: 'INVALID_OPTION',
      message: 'Misspelled option "thread" should be "threads"',
    });
    await assert.rejects(separateFile(song, { colour: 1 } as object), {
      code: 'INVALID_OPTION',
      message: /Known options: .*threads.*format.*model/,
    });
    await assert.rejects(
      separateFile(song, { model: 'missing', modelsDir }),
      hasCode('MODEL_NOT_FOUND'),
    );
  });
});
