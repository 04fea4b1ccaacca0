import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import wavefile from 'wavefile';
import type { ClipMode } from '../../src/audio/clip.js';
import { encode, resample } from '../../src/audio/encode.js';
import { resolveEncoding } from '../../src/audio/formats.js';
import { bytesOf } from '../../src/audio/pcm.js';
import { spoolBlocks, type Spool } from '../../src/audio/spool.js';
import { outputOptions, resolveOptions, type OutputOptions } from '../../src/options.js';
import { differenceDb, peak, readAudio, temporaryFolder } from '../support/audio.js';

const RATES = { input: 48_000, model: 44_100 };
const FRAMES = 70_001;

const encodingOf = (options: OutputOptions) =>
  resolveEncoding(resolveOptions(outputOptions, options), RATES);

async function spoolOf(folder: string, channels: Float32Array[]): Promise<Spool> {
  async function* blocks() {
    await Promise.resolve();
    yield channels.map((samples) => samples.subarray(0, 1000));
    yield channels.map((samples) => samples.subarray(1000));
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

async function write(
  context: TestContext,
  channels: Float32Array[],
  options: OutputOptions,
  clipMode: ClipMode = 'none',
) {
  const folder = temporaryFolder(context);
  const encoding = encodingOf(options);
  const file = path.join(folder, `out.${encoding.extension}`);
  const facts = await encode(await spoolOf(folder, channels), file, encoding, clipMode);
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
    ['wav', '16', 2 ** -15],
    ['wav', '24', 2 ** -23],
    ['flac', '16', 2 ** -15],
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

  it('writes mp3 at the given bitrate, in line with the song', async (context) => {
    const channels = [wave(FRAMES, 0.5, 440), wave(FRAMES, 0.5, 660)];
    for (const bitrate of [undefined, 128]) {
      const { file } = await write(context, channels, {
        format: 'mp3',
        ...(bitrate && { bitrate }),
      });
      assert.equal(probeEntries(file, 'stream=bit_rate'), String((bitrate ?? 320) * 1000));
      const [left, right] = readAudio(file);
      assert.equal(left!.length, FRAMES);
      assert.ok(differenceDb(channels[0]!, left!) < -25);
      assert.ok(differenceDb(channels[1]!, right!) < -25);
    }
  });

  it('gives the same bytes each time', async (context) => {
    for (const format of ['wav', 'flac', 'mp3'] as const) {
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
    await assert.rejects(encode(spool, path.join(folder, 'a.wav'), encoding, 'none'), {
      code: 'ENCODE_FAILED',
    });
  });

  it('stops with the signal’s reason', async (context) => {
    const folder = temporaryFolder(context);
    const spool = await spoolOf(folder, [wave(44_100 * 60, 0.5, 440)]);
    const abort = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 50);
    const file = path.join(folder, 'a.mp3');
    await assert.rejects(
      encode(spool, file, encodingOf({ format: 'mp3' }), 'none', abort.signal),
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
      /^Expected integer from 8 to 320 \(mp3\) for bitrate but received 400/,
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
});
