/** Sound comes out at the time at which it is in the file; expected times are those of the input. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { DamageLog } from '../../src/audio/damage.js';
import { decode } from '../../src/audio/decode.js';
import { deinterleave, newBlock } from '../../src/audio/pcm.js';
import { probe } from '../../src/audio/probe.js';
import { differenceDb, ffmpeg, makeAudio, peak, temporaryFolder } from '../support/audio.js';
import { noiseOver } from '../support/damage.js';

const RATE = 44_100;
const TARGET = { sampleRate: RATE, channelCount: 2 };
const SINES = '0.4*sin(2*PI*440*t)|0.4*sin(2*PI*660*t)';
const sine = (hertz: number, frames: number) =>
  Float32Array.from({ length: frames }, (_, n) => 0.4 * Math.sin((2 * Math.PI * hertz * n) / RATE));
const VIDEO = (seconds: number) => [
  '-f',
  'lavfi',
  '-i',
  `testsrc=d=${String(seconds)}:s=64x64:r=25`,
];

async function decodeAll(file: string) {
  const input = await probe(file);
  const damage = new DamageLog();
  const blocks: Float32Array[] = [];
  for await (const block of decode(input, TARGET, { damage })) blocks.push(block.slice());
  const interleaved = new Float32Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    interleaved.set(block, at);
    at += block.length;
  }
  const channels = newBlock(2, interleaved.length / 2);
  deinterleave(interleaved, channels);
  const [left, right] = channels as [Float32Array, Float32Array];
  return { left, right, frames: left.length, input, damage };
}

/** The first sample that is loud. */
const onset = (samples: Float32Array, from = 0) =>
  samples.findIndex((sample, at) => at >= from && Math.abs(sample) > 0.1);

const close = (actual: number, expected: number, tolerance: number, what: string) => {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${what}: ${String(actual)}, not ${String(expected)}`,
  );
};

/** A video whose sound begins 0.75 s after its first picture. */
function lateSound(context: TestContext, name: string, options: string[]): string {
  const file = path.join(temporaryFolder(context), name);
  const sound = `aevalsrc=0.4*cos(2*PI*440*t)|0.4*cos(2*PI*660*t):s=48000:d=1`;
  ffmpeg(
    ...VIDEO(2), '-itsoffset', '0.75', '-f', 'lavfi', '-i', sound,
    '-map', '0:v', '-map', '1:a', ...options, file,
  ); // prettier-ignore
  return file;
}

describe('sound that begins late', () => {
  // Containers of whole milliseconds, or of 90 kHz; codecs that fade in, or that smear an onset.
  for (const [name, toleranceMs, options] of [
    ['a.mkv', 1, ['-c:v', 'mpeg4', '-c:a', 'flac']],
    ['a.mov', 0.1, ['-c:v', 'mpeg4', '-c:a', 'pcm_s16le']],
    ['aac.mp4', 3, ['-c:v', 'mpeg4', '-c:a', 'aac', '-b:a', '256k']],
    ['a.webm', 8, ['-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus']],
    ['a.ts', 3, ['-c:v', 'mpeg2video', '-c:a', 'mp2', '-b:a', '384k']],
  ] as const) {
    it(`comes as late in the stems: ${name}`, async (context) => {
      const { left, right } = await decodeAll(lateSound(context, name, [...options]));
      const tolerance = (toleranceMs * RATE) / 1000;
      close(onset(left), 0.75 * RATE, tolerance, 'left');
      close(onset(right), 0.75 * RATE, tolerance, 'right');
    });
  }

  it('has no silence before it where there is nothing else', async (context) => {
    const file = path.join(temporaryFolder(context), 'a.mka');
    ffmpeg(
      '-itsoffset',
      '0.75',
      '-f',
      'lavfi',
      '-i',
      `aevalsrc=${SINES}:s=44100:d=1`,
      '-c:a',
      'flac',
      file,
    );
    const { left, frames } = await decodeAll(file);
    assert.equal(frames, RATE);
    assert.ok(differenceDb(sine(440, RATE), left) < -80);
  });
});

describe('a gap in the times of a file', () => {
  it('is silence of the same length, and no damage', async (context) => {
    const file = path.join(temporaryFolder(context), 'gap.mka');
    const gap = "aselect='not(between(t,1,2))'";
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      `aevalsrc=0.4|0.4:s=44100:d=3:n=441`,
      '-af',
      gap,
      '-c:a',
      'pcm_s16le',
      file,
    );
    const { left, frames, damage } = await decodeAll(file);
    close(frames, 3 * RATE, 45, 'frames');
    const silent = left.slice(1.1 * RATE, 1.9 * RATE);
    assert.equal(peak(silent), 0);
    close(onset(left, 1.5 * RATE), 2 * RATE, 500, 'where it goes on');
    assert.deepEqual(damage.warnings, []);
  });

  it('is silence in Ogg too, which has times for its pages alone', async (context) => {
    const gap = ['-af', "aselect='not(between(t,3,6))'", '-c:a', 'libvorbis'];
    const file = makeAudio(path.join(temporaryFolder(context), 'gap.ogg'), SINES, {
      seconds: 10,
      options: gap,
    });
    const { left, frames, damage } = await decodeAll(file);
    close(frames, 10 * RATE, 100, 'frames');
    assert.ok(peak(left.slice(4 * RATE, 4.9 * RATE)) < 1e-4);
    assert.deepEqual(damage.warnings, []);
  });
});

describe('padding of codecs', () => {
  for (const [name, frames, options] of [
    ['a.mp3', 44_100, ['-b:a', '256k']],
    ['a.m4a', 44_100, ['-b:a', '256k']],
    ['a.mp4', 50_001, ['-c:a', 'alac']],
    ['a.flac', 50_001, []],
    ['a.ogg', 50_001, ['-c:a', 'libvorbis']],
    ['a.mov', 50_001, ['-c:a', 'pcm_s16le']],
  ] as const) {
    it(`is no part of the sound: ${name} of ${String(frames)} samples`, async (context) => {
      const folder = temporaryFolder(context);
      const file = makeAudio(path.join(folder, name), SINES, {
        seconds: 2,
        options: ['-af', `atrim=end_sample=${String(frames)}`, ...options],
      });
      const decoded = await decodeAll(file);
      assert.equal(decoded.frames, frames);
      assert.ok(differenceDb(sine(440, frames), decoded.left) < -25);
    });
  }
});

describe('a round trip', () => {
  for (const [name, codec] of [
    ['a.mkv', 'flac'],
    ['a.mov', 'pcm_s16le'],
    ['a.mp4', 'alac'],
  ] as const) {
    it(`stays in sync to the sample: ${name}`, async (context) => {
      const folder = temporaryFolder(context);
      const video = path.join(folder, name);
      ffmpeg(
        ...VIDEO(2), '-itsoffset', '0.5', '-f', 'lavfi', '-i', 'aevalsrc=0.4*random(0)|0.4*random(1):s=44100:d=1',
        '-map', '0:v', '-map', '1:a', '-c:v', 'mpeg4', '-c:a', codec, video,
      ); // prettier-ignore
      const first = await decodeAll(video);
      const stem = path.join(folder, 'stem.f32');
      writeFileSync(
        stem,
        Float32Array.from(
          { length: 2 * first.frames },
          (_, at) => (at % 2 ? first.right : first.left)[at >> 1]!,
        ),
      );
      const back = path.join(folder, `back-${name}`);
      ffmpeg(
        '-i', video, '-f', 'f32le', '-ar', String(RATE), '-ac', '2', '-i', stem,
        '-map', '0:v', '-map', '1:a', '-c:v', 'copy', '-c:a', codec, back,
      ); // prettier-ignore
      const second = await decodeAll(back);
      assert.equal(second.frames, first.frames);
      assert.ok(differenceDb(first.left, second.left) < -80);
    });
  }
});

describe('a stream that changes', () => {
  const tone = (
    folder: string,
    name: string,
    channels: 1 | 2,
    sampleRate: number,
    options: string[],
  ) =>
    makeAudio(path.join(folder, name), channels === 1 ? '0.4*sin(2*PI*440*t)' : SINES, {
      sampleRate,
      options,
    });
  const RMS_OF_SINE_DB = 20 * Math.log10(0.4 * Math.SQRT1_2);
  const levelDb = (samples: Float32Array, from: number, to: number) => {
    const part = samples.slice(from * RATE, to * RATE);
    return 10 * Math.log10(part.reduce((sum, sample) => sum + sample * sample, 0) / part.length);
  };

  for (const [extension, options] of [
    ['mp3', ['-b:a', '192k', '-write_xing', '0', '-id3v2_version', '0']],
    ['ogg', ['-c:a', 'libvorbis']],
  ] as const) {
    for (const [first, second] of [
      [1, 2],
      [2, 1],
    ] as const) {
      it(`from ${String(first)} to ${String(second)} channels keeps both sides: ${extension}`, async (context) => {
        const folder = temporaryFolder(context);
        const parts = [first, second].map((channels, index) =>
          tone(folder, `${String(index)}.${extension}`, channels, RATE, [...options]),
        );
        const file = path.join(folder, `both.${extension}`);
        writeFileSync(file, Buffer.concat(parts.map((part) => readFileSync(part))));
        const { left, right, frames } = await decodeAll(file);
        close(frames, 2 * RATE, 2 * 2400, 'frames');
        for (const [from, to] of [
          [0.2, 0.8],
          [1.2, 1.8],
        ] as const) {
          close(levelDb(left, from, to), RMS_OF_SINE_DB, 0.5, 'left');
          close(levelDb(right, from, to), RMS_OF_SINE_DB, 0.5, 'right');
        }
      });
    }
  }

  it('from one sample rate to another keeps pitch and length', async (context) => {
    const folder = temporaryFolder(context);
    const parts = [44_100, 48_000].map((sampleRate) =>
      tone(folder, `${String(sampleRate)}.ogg`, 2, sampleRate, ['-c:a', 'libvorbis']),
    );
    const file = path.join(folder, 'chain.ogg');
    writeFileSync(file, Buffer.concat(parts.map((part) => readFileSync(part))));
    const { left, frames } = await decodeAll(file);
    close(frames, 2 * RATE, 500, 'frames');
    let crossings = 0;
    for (let at = 1.2 * RATE; at < 1.8 * RATE; at++)
      if (left[at]! < 0 && left[at + 1]! >= 0) crossings++;
    close(crossings, 0.6 * 440, 2, 'periods');
  });
});

describe('damage', () => {
  for (const [extension, tolerance, options] of [
    // The frames at both ends of the noise are lost too; those of FLAC are a tenth of a second.
    ['flac', 0.35, []],
    ['mp3', 0.25, ['-b:a', '192k']],
    ['aac', 0.25, ['-b:a', '192k']],
    // A packet of ASF holds several frames, and what was begun in the one before.
    ['wma', 0.8, ['-b:a', '192k']],
  ] as const) {
    it(`is told with its place and length: ${extension}`, async (context) => {
      const file = makeAudio(
        path.join(temporaryFolder(context), `a.${extension}`),
        '0.9*random(0)-0.45|0.9*random(1)-0.45',
        { seconds: 10, options: [...options] },
      );
      const share = 0.06;
      noiseOver(file, { from: 0.5, share });
      const { damage } = await decodeAll(file);
      close(damage.lostSeconds, 10 * share, tolerance, 'seconds lost');
      const [first] = damage.warnings;
      assert.equal(first?.code, 'AUDIO_DAMAGED');
      close(first.atSeconds ?? 0, 5, 0.5, 'place');
    });
  }

  // At a constant bitrate the bytes tell it to the sample.
  for (const [sampleRate, options] of [
    [44_100, []],
    [48_000, ['-write_xing', '0']],
  ] as const) {
    it(`of an mp3 leaves what follows where it belongs: ${String(sampleRate)} Hz`, async (context) => {
      const file = makeAudio(path.join(temporaryFolder(context), 'a.mp3'), SINES, {
        seconds: 10,
        sampleRate,
        options: ['-b:a', '192k', '-id3v2_version', '0', ...options],
      });
      const whole = await decodeAll(file);
      noiseOver(file, { from: 0.2, share: 0.05 });
      noiseOver(file, { from: 0.5, share: 0.1 });
      const { left, frames, damage } = await decodeAll(file);
      // The padding at the end is cut only where ffmpeg's own count is whole.
      close(frames, whole.frames, 1152, 'frames');
      const [from, to] = [7 * RATE, 9.5 * RATE];
      const expected = whole.left.slice(from, to);
      assert.ok(differenceDb(expected, left.slice(from, to)) < -25);
      assert.equal(damage.warnings.length, 2);
      assert.ok(damage.warnings.every(({ message }) => !message.includes('about')));
    });
  }

  it('of a file of frames of any size is filled by an estimate, and that is said', async (context) => {
    const file = makeAudio(
      path.join(temporaryFolder(context), 'a.aac'),
      '0.1*random(0)-0.05+0.4*floor(t/8)*sin(2*PI*440*t)|0.1*random(1)-0.05',
      { seconds: 10, options: ['-b:a', '192k'] },
    );
    const { left: whole } = await decodeAll(file);
    noiseOver(file, { from: 0.3, share: 0.2 });
    const { left, damage } = await decodeAll(file);
    close(onset(left), onset(whole), 0.1 * RATE, 'the tone');
    assert.match(damage.warnings[0]!.message, /about \d\.\d s of it are lost, so what follows/);
  });

  const apeTag = Buffer.alloc(32 + 14);
  apeTag.write('APETAGEX');
  apeTag.writeUInt32LE(2000, 8);
  apeTag.writeUInt32LE(apeTag.length - 32, 12);
  const id3v1 = Buffer.alloc(128, 'x');
  id3v1.write('TAG');
  for (const [what, between, options] of [
    ['an ID3v2 tag', Buffer.alloc(0), ['-metadata', `comment=${'long '.repeat(5000)}`]],
    ['an ID3v1 tag', id3v1, []],
    ['an APE tag', apeTag, []],
    ['a header of LAME', Buffer.alloc(0), ['-write_xing', '1']],
  ] as const) {
    it(`is not what stands between joined files: ${what}`, async (context) => {
      const folder = temporaryFolder(context);
      const song = (name: string, more: readonly string[]) =>
        readFileSync(
          makeAudio(path.join(folder, name), SINES, {
            seconds: 3,
            options: ['-b:a', '192k', '-write_xing', '0', ...more],
          }),
        );
      const first = song('a.mp3', ['-id3v2_version', '0']);
      const file = path.join(folder, 'joined.mp3');
      writeFileSync(file, Buffer.concat([first, between, song('b.mp3', options)]));
      const { frames, damage } = await decodeAll(file);
      // Each has the delay and the padding of its encoder.
      close(frames, 6 * RATE, 2 * 2400 + 1152, 'frames');
      assert.deepEqual(damage.warnings, []);
    });
  }

  it('leaves what follows where it belongs', async (context) => {
    const file = makeAudio(path.join(temporaryFolder(context), 'a.flac'), SINES, { seconds: 10 });
    noiseOver(file, { from: 0.4, share: 0.1 });
    const { left, frames } = await decodeAll(file);
    assert.equal(frames, 10 * RATE);
    assert.ok(differenceDb(sine(440, 10 * RATE).slice(6 * RATE), left.slice(6 * RATE)) < -80);
  });

  it('is not told of whole files', async (context) => {
    const folder = temporaryFolder(context);
    for (const name of [
      'a.mp3',
      'a.flac',
      'a.ogg',
      'a.opus',
      'a.m4a',
      'a.aac',
      'a.wav',
      'a.ac3',
      'a.wma',
      'a.webm',
    ]) {
      const file = makeAudio(path.join(folder, name), SINES, { seconds: 2 });
      assert.deepEqual((await decodeAll(file)).damage.warnings, [], name);
    }
  });
});
