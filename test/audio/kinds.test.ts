/** Every kind of file that is promised, made by ffmpeg, through decoding to lossless stems. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { probe, type ProbedInput } from '../../src/audio/probe.js';
import { outputOptions, resolveOptions } from '../../src/options.js';
import { separateFile } from '../../src/separation/separate-file.js';
import {
  differenceDb,
  ffmpeg,
  makeAudio,
  peak,
  readAudio,
  temporaryFolder,
} from '../support/audio.js';
import { fakeSeparator } from '../support/separator.js';

const RATE = 44_100;
const FRAMES = 50_001;
const cut = (frames: number) => ['-af', `atrim=end_sample=${String(frames)}`];
/** Sines that stay below every codec's band limit, and differ from side to side. */
const SINES = '0.4*sin(2*PI*440*t)|0.4*sin(2*PI*660*t)';
const sine = (hertz: number, frames: number) =>
  Float32Array.from({ length: frames }, (_, n) => 0.4 * Math.sin((2 * Math.PI * hertz * n) / RATE));

/** The song as the one stem of a separator that gives back what it gets. */
async function throughSeparation(file: string, out: string, input?: ProbedInput) {
  const { output } = await separateFile({
    input: input ?? (await probe(file)),
    separator: fakeSeparator(undefined, { all: 1 }),
    output: resolveOptions(outputOptions, { out, bitDepth: '32f', clipMode: 'none' }),
    options: {},
  });
  const stem = output.stems.all!;
  return { frames: stem.frames, channels: readAudio(stem.path) };
}

interface Kind {
  name: string;
  file: string;
  options: string[];
  /** The level of what the codec changes. */
  worstDb: number;
  codec: string;
}

const LOSSLESS: Kind[] = [
  {
    name: 'WAV of 8 bit',
    file: 'a.wav',
    options: ['-c:a', 'pcm_u8'],
    worstDb: -40,
    codec: 'pcm_u8',
  },
  {
    name: 'WAV of 16 bit',
    file: 'a.wav',
    options: ['-c:a', 'pcm_s16le'],
    worstDb: -85,
    codec: 'pcm_s16le',
  },
  {
    name: 'WAV of 24 bit',
    file: 'a.wav',
    options: ['-c:a', 'pcm_s24le'],
    worstDb: -120,
    codec: 'pcm_s24le',
  },
  {
    name: 'WAV of 32 bit',
    file: 'a.wav',
    options: ['-c:a', 'pcm_s32le'],
    worstDb: -120,
    codec: 'pcm_s32le',
  },
  {
    name: 'WAV of 32-bit float',
    file: 'a.wav',
    options: ['-c:a', 'pcm_f32le'],
    worstDb: -120,
    codec: 'pcm_f32le',
  },
  {
    name: 'WAV of 64-bit float',
    file: 'a.wav',
    options: ['-c:a', 'pcm_f64le'],
    worstDb: -120,
    codec: 'pcm_f64le',
  },
  {
    name: 'RF64',
    file: 'a.wav',
    options: ['-c:a', 'pcm_s16le', '-rf64', 'always'],
    worstDb: -85,
    codec: 'pcm_s16le',
  },
  { name: 'AIFF of 16 bit', file: 'a.aiff', options: [], worstDb: -85, codec: 'pcm_s16be' },
  {
    name: 'AIFF of 24 bit',
    file: 'a.aif',
    options: ['-c:a', 'pcm_s24be', '-f', 'aiff'],
    worstDb: -120,
    codec: 'pcm_s24be',
  },
  {
    name: 'FLAC of 16 bit',
    file: 'a.flac',
    options: ['-sample_fmt', 's16'],
    worstDb: -85,
    codec: 'flac',
  },
  {
    name: 'FLAC of 24 bit',
    file: 'a.flac',
    options: ['-sample_fmt', 's32'],
    worstDb: -120,
    codec: 'flac',
  },
  { name: 'ALAC in m4a', file: 'a.m4a', options: ['-c:a', 'alac'], worstDb: -85, codec: 'alac' },
  { name: 'FLAC in Ogg', file: 'a.ogg', options: ['-c:a', 'flac'], worstDb: -85, codec: 'flac' },
];

const LOSSY: Kind[] = [
  { name: 'Wave64', file: 'a.w64', options: [], worstDb: -85, codec: 'pcm_s16le' },
  { name: 'mp3', file: 'a.mp3', options: ['-b:a', '256k'], worstDb: -30, codec: 'mp3' },
  {
    name: 'mp3 under another name',
    file: 'a.wav',
    options: ['-b:a', '256k', '-f', 'mp3'],
    worstDb: -30,
    codec: 'mp3',
  },
  {
    name: 'Ogg Vorbis',
    file: 'a.ogg',
    options: ['-c:a', 'libvorbis', '-q', '8'],
    worstDb: -30,
    codec: 'vorbis',
  },
  { name: 'Opus', file: 'a.opus', options: ['-b:a', '256k'], worstDb: -25, codec: 'opus' },
  { name: 'AAC in m4a', file: 'a.m4a', options: ['-b:a', '256k'], worstDb: -25, codec: 'aac' },
  {
    name: 'AAC without a container',
    file: 'a.aac',
    options: ['-b:a', '256k'],
    worstDb: 10,
    codec: 'aac',
  },
  { name: 'Opus in WebM', file: 'a.webm', options: ['-b:a', '256k'], worstDb: -25, codec: 'opus' },
  { name: 'WMA', file: 'a.wma', options: ['-b:a', '256k'], worstDb: 10, codec: 'wmav2' },
];

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc=d=1.2:s=64x64:r=10'];
const VIDEOS: Kind[] = [
  { name: 'mp4 with video', file: 'a.mp4', options: ['-c:v', 'mpeg4', '-c:a', 'aac', '-b:a', '256k'], worstDb: -25, codec: 'aac' },
  { name: 'mkv with video', file: 'a.mkv', options: ['-c:v', 'mpeg4', '-c:a', 'flac'], worstDb: -80, codec: 'flac' },
  { name: 'mov with video', file: 'a.mov', options: ['-c:v', 'mpeg4', '-c:a', 'pcm_s16le'], worstDb: -85, codec: 'pcm_s16le' },
]; // prettier-ignore

const plain = makeAudio(path.join(temporaryFolder({ after }), 'plain.wav'), SINES, {
  seconds: 2,
  options: ['-c:a', 'pcm_f32le', ...cut(FRAMES)],
});

async function check(context: TestContext, kind: Kind, inputs: string[] = []) {
  const folder = temporaryFolder(context);
  const file = path.join(folder, kind.file);
  const maps = inputs.length > 0 ? ['-map', '1:v', '-map', '0:a'] : [];
  ffmpeg('-i', plain, ...inputs, ...maps, ...kind.options, file);
  const input = await probe(file);
  assert.equal(input.codec, kind.codec);
  const { frames, channels } = await throughSeparation(file, folder, input);
  const [left, right] = channels;
  const error = Math.max(
    differenceDb(sine(440, FRAMES), left!),
    differenceDb(sine(660, FRAMES), right!),
  );
  context.diagnostic(`${String(frames)} frames, difference ${error.toFixed(1)} dB`);
  assert.ok(error < kind.worstDb, String(error));
  for (const side of channels) {
    const level = peak(side.slice(3000, -3000));
    assert.ok(level > 0.38 && level < 0.45, String(level));
  }
  return frames;
}

describe('the kinds of input', () => {
  for (const kind of LOSSLESS) {
    it(`${kind.name}: to the sample`, async (context) => {
      assert.equal(await check(context, kind), FRAMES);
    });
  }

  for (const kind of LOSSY) {
    it(kind.name, async (context) => {
      const frames = await check(context, kind);
      // ffmpeg's encoder of WMA drops the last frame that is not full.
      const least = kind.codec === 'wmav2' ? FRAMES - 2048 : FRAMES - 3;
      assert.ok(frames >= least && frames < FRAMES + 5000, String(frames));
    });
  }

  for (const kind of VIDEOS) {
    it(kind.name, async (context) => {
      const frames = await check(context, kind, VIDEO);
      assert.ok(frames >= FRAMES - 3 && frames < FRAMES + 5000, String(frames));
    });
  }

  it('WAV with an extensible header', async (context) => {
    const folder = temporaryFolder(context);
    const file = makeAudio(path.join(folder, 'a.wav'), SINES, {
      layout: 'stereo',
      options: ['-c:a', 'pcm_s24le', ...cut(FRAMES)],
    });
    const WAVE_FORMAT_EXTENSIBLE = 0xfffe;
    assert.equal(readFileSync(file).readUInt16LE(20), WAVE_FORMAT_EXTENSIBLE);
    assert.equal((await throughSeparation(file, folder)).frames, RATE);
  });

  for (const sampleRate of [
    8000, 11_025, 16_000, 22_050, 32_000, 48_000, 88_200, 96_000, 176_400, 192_000,
  ]) {
    it(`${String(sampleRate)} Hz, at its length in samples of the model`, async (context) => {
      const folder = temporaryFolder(context);
      const frames = sampleRate + 1;
      const file = makeAudio(path.join(folder, 'a.wav'), SINES, {
        sampleRate,
        seconds: 2,
        options: ['-c:a', 'pcm_f32le', ...cut(frames)],
      });
      const result = await throughSeparation(file, folder);
      const expected = (frames * RATE) / sampleRate;
      assert.ok(Math.abs(result.frames - expected) < 1, String(result.frames));
      const middle = (samples: Float32Array) => samples.slice(2000, -2000);
      const error = differenceDb(middle(sine(440, result.frames)), middle(result.channels[0]!));
      assert.ok(error < -100, String(error));
    });
  }

  for (const [layout, count, centre] of [
    ['5.1', 6, 2],
    ['5.1(side)', 6, 2],
    ['7.1', 8, 2],
    ['3.0', 3, 2],
  ] as const) {
    for (const extension of ['flac', 'm4a', 'mka']) {
      if (layout === '5.1(side)' && extension === 'm4a') continue;
      it(`${layout} in ${extension}: the centre is heard`, async (context) => {
        const folder = temporaryFolder(context);
        const places = Array.from({ length: count }, (_, at) =>
          at === centre ? '0.4*sin(2*PI*440*t)' : '0',
        );
        const file = makeAudio(path.join(folder, `a.${extension}`), places.join('|'), {
          layout,
          options: extension === 'mka' ? ['-c:a', 'flac'] : [],
        });
        const input = await probe(file);
        assert.equal(input.channelCount, count);
        for (const side of (await throughSeparation(file, folder, input)).channels) {
          const level = 20 * Math.log10(peak(side.slice(5000, -5000)) / 0.4);
          assert.ok(level > -3.5 && level < -2.5, `${level.toFixed(1)} dB`);
        }
      });
    }
  }

  it('a second audio stream is not mixed in', async (context) => {
    const folder = temporaryFolder(context);
    const first = makeAudio(path.join(folder, 'first.wav'), SINES);
    const second = makeAudio(path.join(folder, 'second.wav'), 'random(0)|random(1)');
    const file = path.join(folder, 'a.mka');
    ffmpeg('-i', first, '-i', second, '-map', '0:a', '-map', '1:a', '-c:a', 'flac', file);
    const { channels } = await throughSeparation(file, folder);
    assert.ok(differenceDb(sine(440, RATE), channels[0]!) < -80);
  });
});

describe('a damaged file gives what it holds', () => {
  const whole = (folder: string, name: string, options: string[] = []) =>
    makeAudio(path.join(folder, name), SINES, { seconds: 4, options });

  for (const name of ['a.mp3', 'a.flac']) {
    it(`${name} cut in the middle`, async (context) => {
      const folder = temporaryFolder(context);
      const file = whole(folder, name);
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, bytes.length / 2));
      const { frames, channels } = await throughSeparation(file, folder);
      context.diagnostic(`${String(frames)} frames`);
      assert.ok(frames > RATE && frames < 3 * RATE);
      assert.ok(differenceDb(sine(440, RATE), channels[0]!.slice(0, RATE)) < -25);
    });
  }

  for (const [name, length, expected] of [
    ['too large', 2 ** 31, 4 * RATE],
    ['of a stream that does not know it', 2 ** 32 - 1, 4 * RATE],
    ['of a stream that keeps to signed numbers', 0x7fff_ffff, 4 * RATE],
    ['zero', 0, 4 * RATE],
    ['too small', 4 * RATE, 4 * RATE],
  ] as const) {
    it(`WAV with a length field ${name}`, async (context) => {
      const folder = temporaryFolder(context);
      const file = whole(folder, 'a.wav', ['-fflags', '+bitexact']);
      const bytes = readFileSync(file);
      const data = bytes.indexOf('data', 0, 'latin1');
      bytes.writeUInt32LE(length, data + 4);
      writeFileSync(file, bytes);
      const { frames } = await throughSeparation(file, folder);
      context.diagnostic(`${String(frames)} frames`);
      assert.equal(frames, expected);
    });
  }

  it('one sample, 100 ms', async (context) => {
    const folder = temporaryFolder(context);
    for (const frames of [1, 4410]) {
      const file = makeAudio(path.join(folder, 'a.wav'), SINES, {
        options: ['-c:a', 'pcm_f32le', ...cut(frames)],
      });
      assert.equal((await throughSeparation(file, folder)).frames, frames);
    }
  });
});
