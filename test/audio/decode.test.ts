import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decode } from '../../src/audio/decode.js';
import { deinterleave, newBlock } from '../../src/audio/pcm.js';
import { probe } from '../../src/audio/probe.js';
import {
  differenceDb,
  ffmpeg,
  makeAudio,
  peak,
  readAudio,
  temporaryFolder,
} from '../support/audio.js';

const TARGET = { sampleRate: 44_100, channelCount: 2 };
const FLOAT = ['-c:a', 'pcm_f32le'];
const SINE = '0.5*sin(2*PI*1000*t)';

/** Everything that decode gives, joined. */
async function decodeAll(file: string, target = TARGET): Promise<Float32Array[]> {
  const { channelCount } = target;
  const interleaved: number[] = [];
  for await (const block of decode(await probe(file), target)) interleaved.push(...block);
  const channels = newBlock(channelCount, interleaved.length / channelCount);
  deinterleave(Float32Array.from(interleaved), channels);
  return channels;
}

/** The sine that SINE makes at 44.1 kHz, without the edges that a resampler's filter touches. */
const sine = (frames: number, amplitude = 0.5) =>
  Float32Array.from(
    { length: frames },
    (_, n) => amplitude * Math.sin((2 * Math.PI * 1000 * n) / 44_100),
  );
const inner = (samples: Float32Array) => samples.slice(2000, -2000);

describe('decode', () => {
  it('passes float32 at the right rate bit for bit', async (context) => {
    const file = makeAudio(
      path.join(temporaryFolder(context), 'a.wav'),
      'random(0)*2-1|random(1)',
      {
        options: FLOAT,
      },
    );
    const decoded = await decodeAll(file);
    assert.equal(decoded[0]!.length, 44_100);
    assert.deepEqual(decoded, readAudio(file));
  });

  it('gives mono to both sides at its own level', async (context) => {
    const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), SINE, { options: FLOAT });
    const [left, right] = await decodeAll(file);
    assert.deepEqual(left, right);
    assert.ok(differenceDb(sine(44_100), left!) < -120);
  });

  for (const [layout, channels] of [
    ['5.1', 6],
    ['7.1', 8],
  ] as const) {
    it(`lets the centre of ${layout} be heard on both sides, 3 dB down`, async (context) => {
      const expression = Array.from({ length: channels }, (_, at) => (at === 2 ? SINE : '0')).join(
        '|',
      );
      const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), expression, {
        layout,
        options: FLOAT,
      });
      for (const side of await decodeAll(file)) {
        assert.ok(differenceDb(sine(44_100, 0.5 * Math.SQRT1_2), side) < -100);
      }
    });
  }

  it('mixes channels of unknown places, odd ones left and even ones right', async (context) => {
    const expression = Array.from({ length: 12 }, (_, at) => (at % 2 ? '0.25' : '-0.5')).join('|');
    const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), expression, {
      seconds: 0.1,
      options: FLOAT,
    });
    assert.equal((await probe(file)).channelLayout, undefined);
    const [left, right] = await decodeAll(file);
    assert.ok(left!.every((sample) => Math.abs(sample + 0.5) < 1e-6));
    assert.ok(right!.every((sample) => Math.abs(sample - 0.25) < 1e-6));
  });

  it('mixes down to a model with one channel', async (context) => {
    const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), `${SINE}|${SINE}`, {
      options: FLOAT,
    });
    const [only, ...others] = await decodeAll(file, { sampleRate: 44_100, channelCount: 1 });
    assert.equal(others.length, 0);
    assert.ok(differenceDb(sine(44_100), only!) < -120);
  });

  for (const sampleRate of [8000, 22_050, 48_000, 96_000, 192_000]) {
    it(`resamples ${String(sampleRate)} Hz with an error below -120 dB`, async (context) => {
      const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), `${SINE}|${SINE}`, {
        seconds: 2,
        sampleRate,
        options: FLOAT,
      });
      const [left] = await decodeAll(file);
      assert.equal(left!.length, 88_200);
      assert.ok(differenceDb(inner(sine(88_200)), inner(left!)) < -120);
    });
  }

  it('takes the first audio stream of a file with cover art and of a video', async (context) => {
    const folder = temporaryFolder(context);
    const song = makeAudio(path.join(folder, 'song.wav'), `${SINE}|${SINE}`);
    const covered = path.join(folder, 'covered.mp3');
    ffmpeg(
      '-f', 'lavfi', '-i', 'color=red:s=64x64:d=1', '-i', song,
      '-map', '1:a', '-map', '0:v', '-frames:v', '1', '-c:v', 'mjpeg', '-disposition:v', 'attached_pic', covered,
    ); // prettier-ignore
    const video = path.join(folder, 'video.mkv');
    ffmpeg('-f', 'lavfi', '-i', 'testsrc=d=1:s=64x64', '-i', song, '-map', '0:v', '-map', '1:a', '-c:v', 'mpeg4', '-c:a', 'flac', video); // prettier-ignore
    assert.equal((await probe(covered)).codec, 'mp3');
    assert.ok(peak((await decodeAll(covered))[0]!) > 0.45);
    assert.equal((await probe(video)).codec, 'flac');
    assert.ok(differenceDb(sine(44_100), (await decodeAll(video))[0]!) < -80);
  });

  for (const name of [
    'with spaces.wav',
    `quotes'".wav`,
    'new\nline.wav',
    'percent %03d.wav',
    'colon:http:x.wav',
    `${'é'.repeat(125)}.wav`,
    'concat:a|b.wav',
  ]) {
    it(`reads a file named ${JSON.stringify(name).slice(0, 40)}`, async (context) => {
      const folder = temporaryFolder(context);
      const plain = makeAudio(path.join(folder, 'plain.wav'), SINE);
      const file = path.join(folder, name);
      copyFileSync(plain, file);
      assert.equal((await decodeAll(file))[0]!.length, 44_100);
    });
  }

  it('keeps what a truncated mp3 holds', async (context) => {
    const folder = temporaryFolder(context);
    const whole = makeAudio(path.join(folder, 'whole.mp3'), `${SINE}|${SINE}`, { seconds: 4 });
    const file = path.join(folder, 'cut.mp3');
    const bytes = execFileSync('cat', [whole]);
    writeFileSync(file, bytes.subarray(0, bytes.length / 2));
    const { length } = (await decodeAll(file))[0]!;
    assert.ok(length > 44_100 && length < 3 * 44_100, String(length));
  });

  it('stops with the signal’s reason and leaves no ffmpeg behind', async (context) => {
    const file = makeAudio(
      path.join(temporaryFolder(context), 'long.flac'),
      'random(0)|random(1)',
      {
        seconds: 60,
      },
    );
    const input = await probe(file);
    const abort = new AbortController();
    const reason = new Error('enough');
    const reading = async () => {
      for await (const block of decode(input, TARGET, { signal: abort.signal })) {
        assert.ok(block.length > 0);
        abort.abort(reason);
      }
    };
    await assert.rejects(reading(), reason);
    assert.equal(ffmpegsWith(file), '');
  });

  it('kills ffmpeg when the reader stops early', async (context) => {
    const file = makeAudio(
      path.join(temporaryFolder(context), 'long.flac'),
      'random(0)|random(1)',
      {
        seconds: 60,
      },
    );
    for await (const block of decode(await probe(file), TARGET)) {
      assert.ok(block.length > 0);
      break;
    }
    assert.equal(ffmpegsWith(file), '');
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`does not blame the file when ffmpeg is ended by ${signal}`, async (context) => {
      const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), SINE, { seconds: 60 });
      const blocks = decode(await probe(file), TARGET);
      await blocks.next();
      const [pid = ''] = /\d+/.exec(ffmpegsWith(file)) ?? [];
      process.kill(Number(pid), signal);
      await assert.rejects(
        async () => {
          for await (const block of blocks) assert.ok(block.length > 0);
        },
        { code: 'OUT_OF_MEMORY', message: /^Something ended ffmpeg/ },
      );
    });
  }
});

/** Running processes (not zombies that wait to be reaped) that name the file. */
function ffmpegsWith(file: string): string {
  return execFileSync('ps', ['-eo', 'stat,pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(file) && !line.startsWith('Z'))
    .join('\n');
}
