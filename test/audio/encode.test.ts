import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import wavefile from 'wavefile';
import type { ClipMode } from '../../src/audio/clip.js';
import { encode, resample, type EncodeOptions } from '../../src/audio/encode.js';
import { resolveEncoding } from '../../src/audio/formats.js';
import { bytesOf, interleave } from '../../src/audio/pcm.js';
import { spoolBlocks, type Spool } from '../../src/audio/spool.js';
import { FORMATS, outputOptions, resolveOptions, type OutputOptions } from '../../src/options.js';
import { peak, readAudio, temporaryFolder } from '../support/audio.js';

const RATES = { input: 48_000, model: 44_100 };
const FRAMES = 70_001;

const encodingOf = (options: OutputOptions) =>
  resolveEncoding(resolveOptions(outputOptions, options), RATES);

async function spoolOf(folder: string, channels: Float32Array[]): Promise<Spool> {
  async function* blocks() {
    await Promise.resolve();
    yield interleave(channels.map((samples) => samples.subarray(0, 1000)));
    yield interleave(channels.map((samples) => samples.subarray(1000)));
  }
  return spoolBlocks(
    path.join(folder, 'in.f32'),
    { sampleRate: 44_100, channelCount: channels.length },
    blocks(),
  );
}

const wave = (frames: number, amplitude: number, hertz: number) =>
  Float32Array.from(
    { length: frames },
    (_, n) => amplitude * Math.sin((2 * Math.PI * hertz * n) / 44_100),
  );

/** Noise of the middle of hearing, which every codec keeps. */
function noise(frames: number): Float32Array {
  let state = 1;
  let low = 0;
  return Float32Array.from({ length: frames }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    low += 0.2 * (state / 2 ** 31 - low);
    return low;
  });
}

/** By how many frames `late` comes after `sound`, by the peak of their cross-correlation. */
function lag(sound: Float32Array, late: Float32Array): number {
  const reach = 3000;
  const length = 20_000;
  let best = { at: 0, correlation: -Infinity };
  for (let at = -reach; at <= reach; at++) {
    let correlation = 0;
    for (let n = 0; n < length; n++) correlation += sound[20_000 + n]! * late[20_000 + n + at]!;
    if (correlation > best.correlation) best = { at, correlation };
  }
  return best.at;
}

async function write(
  context: TestContext,
  channels: Float32Array[],
  options: OutputOptions,
  clipMode: ClipMode = 'none',
  more: Partial<EncodeOptions> = {},
) {
  const folder = temporaryFolder(context);
  const encoding = encodingOf(options);
  const file = path.join(folder, `out.${encoding.extension}`);
  const facts = await encode(await spoolOf(folder, channels), file, encoding, {
    clipMode,
    ...more,
  });
  return { file, facts };
}

const probeEntries = (file: string, entries: string) =>
  execFileSync('ffprobe', ['-v', 'error', '-show_entries', entries, '-of', 'csv=p=0', file], {
    encoding: 'utf8',
  }).trim();

describe('encode', () => {
  it('writes float32 WAV bit for bit, beyond full scale too', async (context) => {
    const channels = [wave(FRAMES, 1.7, 440), wave(FRAMES, 1e-12, 3)];
    const { file, facts } = await write(context, channels, { bitDepth: '32f' });
    assert.deepEqual(readAudio(file), channels);
    assert.equal(facts.frames, FRAMES);
    assert.equal(facts.sizeBytes, readFileSync(file).length);
  });

  for (const [format, bitDepth, step] of [
    ['wav', '24', 2 ** -23],
    ['flac', '24', 2 ** -23],
  ] as const) {
    it(`rounds to the nearest step in ${format} ${bitDepth}, at its exact length`, async (context) => {
      const channels = [wave(FRAMES, 0.8, 440), wave(FRAMES, 0.3, 12_345)];
      const { file } = await write(context, channels, { format, bitDepth });
      for (const [index, samples] of readAudio(file).entries()) {
        assert.equal(samples.length, FRAMES);
        const error = samples.map((sample, at) => sample - channels[index]![at]!);
        assert.ok(peak(error) <= step * 0.5001 + 2 ** -25);
      }
    });
  }

  for (const format of ['wav', 'flac'] as const) {
    it(`dithers ${format} 16 at its exact length: even noise, whatever the music`, async (context) => {
      const step = 2 ** -15;
      const channels = [wave(FRAMES, 0.8, 440), wave(FRAMES, 0.3 * step, 440)];
      const { file } = await write(context, channels, { format, bitDepth: '16' });
      for (const [index, samples] of readAudio(file).entries()) {
        assert.equal(samples.length, FRAMES);
        const error = samples.map((sample, at) => sample - channels[index]![at]!);
        assert.ok(peak(error) < 1.5 * step);
        // Rounding has 1/12, triangular noise 1/6 of a squared step; together they are 1/4.
        const power = error.reduce((sum, x) => sum + (x / step) ** 2, 0) / FRAMES;
        assert.ok(Math.abs(power - 0.25) < 0.01, String(power));
        const along = samples.reduce((sum, x, at) => sum + x * channels[index]![at]!, 0);
        const own = channels[index]!.reduce((sum, x) => sum + x * x, 0);
        assert.ok(Math.abs(along / own - 1) < 0.05, 'what is below a step is there');
      }
    });
  }

  it('leaves silence silent, and what fits in 16 bits as it is', async (context) => {
    const channels = [
      new Float32Array(FRAMES),
      Float32Array.from({ length: FRAMES }, (_, n) => (n % 65_536) / 32_768 - 1),
    ];
    const { file } = await write(context, channels, { bitDepth: '16' });
    assert.deepEqual(readAudio(file), channels);
  });

  it('dithers each stem with a noise of its own, the same each time', async (context) => {
    const dithered = async (ditherSeed: number) => {
      const { file } = await write(context, [wave(FRAMES, 0.5, 440)], {}, 'none', { ditherSeed });
      return readAudio(file, 1)[0]!;
    };
    const [first, again, other] = [await dithered(0), await dithered(0), await dithered(1)];
    assert.deepEqual(first, again);
    assert.notDeepEqual(first, other);
  });

  it('writes headers that other readers agree with', async (context) => {
    for (const [bitDepth, bits] of [
      ['16', 16],
      ['24', 24],
      ['32f', 32],
    ] as const) {
      const { file } = await write(context, [wave(FRAMES, 0.5, 440), wave(FRAMES, 0.5, 220)], {
        bitDepth,
      });
      const wav = new wavefile.WaveFile();
      wav.fromBuffer(readFileSync(file), false);
      const { numChannels, sampleRate, bitsPerSample } = wav.fmt as Record<string, number>;
      assert.deepEqual([numChannels, sampleRate, bitsPerSample], [2, 44_100, bits]);
      assert.equal((wav.data as { chunkSize: number }).chunkSize, FRAMES * 2 * (bits / 8));
    }
    const { file } = await write(context, [wave(FRAMES, 0.5, 440)], {
      format: 'flac',
      bitDepth: '24',
    });
    assert.equal(
      probeEntries(file, 'stream=bits_per_raw_sample,duration_ts'),
      `${String(FRAMES)},24`,
    );
  });

  it('stops at full scale in integers', async (context) => {
    const { file } = await write(context, [Float32Array.of(1.5, -1.5, 1, -1)], { bitDepth: '16' });
    const [samples] = readAudio(file, 1);
    assert.deepEqual([...samples!], [32_767 / 32_768, -1, 32_767 / 32_768, -1]);
  });

  it('rescales the whole stem by one gain, and only when it is too loud', async (context) => {
    const loud = wave(FRAMES, 2, 440);
    const quiet = wave(FRAMES, 0.5, 440);
    const { file, facts } = await write(context, [loud, quiet], { bitDepth: '32f' }, 'rescale');
    const divisor = 1.01 * peak(loud);
    assert.equal(facts.gain, 1 / divisor);
    assert.deepEqual(
      readAudio(file),
      [loud, quiet].map((samples) => samples.map((x) => x / divisor)),
    );

    const { file: kept, facts: unchanged } = await write(
      context,
      [quiet],
      { bitDepth: '32f' },
      'rescale',
    );
    assert.equal(unchanged.gain, 1);
    assert.deepEqual(readAudio(kept, 1), [quiet]);
  });

  it('clamps and bends', async (context) => {
    const samples = Float32Array.of(-3, -0.5, 0, 0.5, 3);
    const clamped = await write(context, [samples], { bitDepth: '32f' }, 'clamp');
    assert.deepEqual(readAudio(clamped.file, 1)[0], Float32Array.of(-0.99, -0.5, 0, 0.5, 0.99));
    const bent = await write(context, [samples], { bitDepth: '32f' }, 'tanh');
    assert.deepEqual(readAudio(bent.file, 1)[0], samples.map(Math.tanh));
  });

  for (const [format, rates] of [
    ['mp3', [44_100, 48_000, 22_050, 8000]],
    ['opus', [48_000]],
    ['m4a', [44_100, 48_000, 22_050, 96_000]],
  ] as const) {
    for (const sampleRate of rates) {
      it(`writes ${format} at ${String(sampleRate)} Hz in line with the song`, async (context) => {
        const folder = temporaryFolder(context);
        const sound = noise(FRAMES);
        const encoding = encodingOf({ format, sampleRate });
        const spool = await resample(
          await spoolOf(folder, [sound, sound]),
          sampleRate,
          path.join(folder, 'resampled.f32'),
        );
        const file = path.join(folder, `a.${format}`);
        await encode(spool, file, encoding, { clipMode: 'none' });
        for (const side of readAudio(file, 2, 44_100)) {
          const late = lag(sound, side);
          context.diagnostic(`${(late / 44.1).toFixed(2)} ms late`);
          assert.ok(Math.abs(late) <= 44, String(late));
          // AAC comes in frames of 1024, and ffmpeg 5 plays the last one to its end.
          const surplus = (side.length - FRAMES) * Math.min(sampleRate / 44_100, 1);
          assert.ok(surplus > -2 && surplus <= 1024, String(surplus));
        }
      });
    }
  }

  it('writes lossy formats at the given bitrate', async (context) => {
    const sound = noise(4 * 44_100);
    for (const [format, given, expected] of [
      ['mp3', undefined, 320],
      ['mp3', 128, 128],
      ['opus', undefined, 160],
      ['opus', 64, 64],
      ['m4a', undefined, 256],
      ['m4a', 96, 96],
    ] as const) {
      const channels = [sound, sound.map((x) => -x)];
      const { file } = await write(context, channels, {
        format,
        ...(given && { bitrate: given }),
      });
      const measured = Number(probeEntries(file, 'format=bit_rate')) / 1000;
      // Opus and AAC take less where less is needed.
      assert.ok(
        Math.abs(measured / expected - 1) < (format === 'opus' ? 0.35 : 0.15),
        `${format} ${String(measured)}`,
      );
    }
  });

  it('gives the same bytes each time', async (context) => {
    for (const format of FORMATS) {
      const [first, second] = await Promise.all(
        [1, 2].map(() => write(context, [wave(FRAMES, 0.5, 440)], { format })),
      );
      assert.deepEqual(readFileSync(first!.file), readFileSync(second!.file));
    }
  });

  it('resamples a spool to another rate and measures its peak anew', async (context) => {
    const folder = temporaryFolder(context);
    const spool = await spoolOf(folder, [wave(88_200, 0.5, 1000), wave(88_200, 0.25, 1000)]);
    const resampled = await resample(spool, 48_000, path.join(folder, 'out.f32'));
    assert.equal(resampled.frames, 96_000);
    assert.ok(Math.abs(resampled.peak - 0.5) < 0.2);
    assert.equal(await resample(spool, 44_100, path.join(folder, 'unused.f32')), spool);
  });

  it('says when ffmpeg cannot write the format', async (context) => {
    const folder = temporaryFolder(context);
    const spool = await spoolOf(folder, [wave(FRAMES, 0.5, 440)]);
    const encoding = { ...encodingOf({}), arguments: ['-c:a', 'no_such_codec', '-f', 'wav'] };
    await assert.rejects(
      encode(spool, path.join(folder, 'a.wav'), encoding, { clipMode: 'none' }),
      {
        code: 'ENCODE_FAILED',
      },
    );
  });

  it('stops with the signal’s reason', async (context) => {
    const folder = temporaryFolder(context);
    const spool = await spoolOf(folder, [wave(44_100 * 60, 0.5, 440)]);
    const abort = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 50);
    const file = path.join(folder, 'a.mp3');
    await assert.rejects(
      encode(spool, file, encodingOf({ format: 'mp3' }), {
        clipMode: 'none',
        signal: abort.signal,
      }),
      reason,
    );
  });
});

describe('a spool', () => {
  it('is read from the start as often as asked', async (context) => {
    const channels = [wave(FRAMES, 0.5, 440), wave(FRAMES, 1.25, 3)];
    const spool = await spoolOf(temporaryFolder(context), channels);
    assert.equal(spool.frames, FRAMES);
    assert.equal(spool.peak, peak(channels[1]!));
    for (let reading = 0; reading < 2; reading++) {
      const read = [new Float32Array(FRAMES), new Float32Array(FRAMES)];
      let offset = 0;
      for await (const block of spool.blocks()) {
        block.forEach((samples, channel) => read[channel]!.set(samples, offset));
        offset += block[0]!.length;
      }
      assert.deepEqual(read, channels);
    }
  });

  it('that was cut short is an error, not an endless loop', async (context) => {
    const spool = await spoolOf(temporaryFolder(context), [wave(FRAMES, 0.5, 440)]);
    writeFileSync(spool.path, bytesOf(new Float32Array(100)));
    await assert.rejects(async () => {
      for await (const block of spool.blocks()) assert.ok(block);
    }, /cut short/);
  });
});

describe('the choice of an encoding', () => {
  for (const [options, message] of [
    [
      { format: 'flac', bitDepth: '32f' },
      /^Expected one of 16, 24 \(flac\) for bitDepth but received "32f"/,
    ],
    [
      { format: 'mp3', bitrate: 400 },
      /^Expected integer from 8 to 320 \(mp3 at 44100 Hz\) for bitrate but received 400/,
    ],
    [
      { format: 'mp3', bitrate: 192, sampleRate: 22_050 },
      /^Expected integer from 8 to 160 \(mp3 at 22050 Hz\) for bitrate but received 192/,
    ],
    [
      { format: 'opus', sampleRate: 44_100 },
      /^Expected one of 48000 \(opus\) for sampleRate but received 44100/,
    ],
    [
      { format: 'm4a', sampleRate: 192_000 },
      /^Expected one of 8000, .* \(m4a\) for sampleRate but received 192000/,
    ],
    [{ format: 'wav', bitrate: 320 }, /^Expected no value \(wav is lossless\) for bitrate/],
    [
      { format: 'mp3', sampleRate: 96_000 },
      /^Expected one of 8000, .* \(mp3\) for sampleRate but received 96000/,
    ],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => encodingOf(options), { code: 'INVALID_OPTION', message });
    });
  }

  it('takes the rate of the model, of the input or a given one', () => {
    assert.equal(encodingOf({}).sampleRate, 44_100);
    assert.equal(encodingOf({ sampleRate: 'keep' }).sampleRate, 48_000);
    assert.equal(encodingOf({ sampleRate: 22_050 }).sampleRate, 22_050);
  });

  it('takes 48 kHz for opus, which works at nothing else', () => {
    for (const sampleRate of ['model', 'keep', 48_000] as const) {
      const rates = { input: 96_000, model: 44_100 };
      const options = resolveOptions(outputOptions, { format: 'opus', sampleRate });
      assert.equal(resolveEncoding(options, rates).sampleRate, 48_000);
    }
  });

  it('lowers the default bitrate to what a low rate can have', () => {
    assert.equal(encodingOf({ format: 'mp3', sampleRate: 8000 }).bitrate, 64);
    assert.equal(encodingOf({ format: 'm4a', sampleRate: 8000 }).bitrate, 96);
  });
});
