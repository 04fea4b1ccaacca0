import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { checkFinite, probe } from '../../src/audio/probe.js';
import { makeAudio, temporaryFolder, wavFile } from '../support/audio.js';

const code = (expected: string) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, expected);
  assert.ok(!(error as Error).message.includes('\n'), 'one line for people');
  return true;
};

describe('probe', () => {
  it('tells codec, rate, channels, layout, length and tags', async (context) => {
    const file = makeAudio(path.join(temporaryFolder(context), 'a.flac'), '0|0', {
      seconds: 1.5,
      sampleRate: 48_000,
      options: ['-metadata', 'title=A song', '-metadata', 'ARTIST=Someone'],
    });
    const { codec, sampleRate, channelCount, channelLayout, durationSeconds, tags } =
      await probe(file);
    assert.deepEqual(
      { codec, sampleRate, channelCount, channelLayout, durationSeconds },
      {
        codec: 'flac',
        sampleRate: 48_000,
        channelCount: 2,
        channelLayout: 'stereo',
        durationSeconds: 1.5,
      },
    );
    assert.equal(tags.title, 'A song');
    assert.equal(tags.artist, 'Someone');
  });

  for (const { name, text } of [
    { name: 'text', text: 'This is no music.\n'.repeat(200) },
    {
      name: 'an HLS playlist of a local file',
      text: '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n',
    },
    { name: 'a concat playlist of a local file', text: 'ffconcat version 1.0\nfile secret.wav\n' },
    {
      name: 'a playlist of a URL',
      text: '#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.wav\n#EXT-X-ENDLIST\n',
    },
    {
      name: 'a WAV with no channels',
      text: 'RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\0\0\x44\xac\0\0\0\0\0\0\0\0\x10\0data\0\0\0\0',
    },
  ]) {
    it(`refuses ${name} named .mp3`, async (context) => {
      const folder = temporaryFolder(context);
      makeAudio(path.join(folder, 'secret.wav'), '0.5');
      const file = path.join(folder, 'song.mp3');
      writeFileSync(file, text, 'latin1');
      await assert.rejects(probe(file), code('INPUT_NOT_AUDIO'));
    });
  }

  it('tells a WAV file without samples, whatever length its header claims', async (context) => {
    const file = path.join(temporaryFolder(context), 'a.wav');
    for (const dataBytes of [0, 100_000]) {
      writeFileSync(file, wavFile(Buffer.alloc(0), { dataBytes }));
      await assert.rejects(probe(file), code('INPUT_EMPTY'));
    }
    // A length of 0 with samples after it is what a recorder leaves that was switched off.
    writeFileSync(file, wavFile(Buffer.alloc(44_100 * 4, 1), { dataBytes: 0 }));
    assert.equal((await probe(file)).durationSeconds, 1);
  });

  it('refuses more channels than ffmpeg can mix', async (context) => {
    const file = path.join(temporaryFolder(context), 'a.wav');
    writeFileSync(file, wavFile(Buffer.alloc(2 * 64 * 100), { channels: 64 }));
    assert.equal((await probe(file)).channelCount, 64);
    for (const channels of [65, 255]) {
      writeFileSync(file, wavFile(Buffer.alloc(2 * channels * 100), { channels }));
      await assert.rejects(probe(file), code('INPUT_NOT_AUDIO'));
    }
  });

  it('finds NaN and Inf anywhere in a file of floating-point samples', async (context) => {
    const file = path.join(temporaryFolder(context), 'a.wav');
    const check = async (samples: Float32Array | Float64Array) => {
      const bytes = new Uint8Array(samples.buffer);
      const bits = samples.BYTES_PER_ELEMENT * 8;
      writeFileSync(file, wavFile(bytes, { bits, format: 3 }));
      await checkFinite(await probe(file));
    };
    await check(new Float32Array(100_000).fill(0.5));
    await check(new Float64Array(100_000).fill(0.5));
    for (const [value, at] of [
      [NaN, 0],
      [Infinity, 99_999],
      [-Infinity, 50_000],
    ] as const) {
      await assert.rejects(
        check(new Float32Array(100_000).fill(value, at, at + 1)),
        code('INPUT_NOT_FINITE'),
      );
    }
  });

  it('refuses a video without sound', async (context) => {
    const file = path.join(temporaryFolder(context), 'silent.mp4');
    execFileSync('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'testsrc=d=1:s=64x64',
      '-c:v',
      'mpeg4',
      file,
    ]);
    await assert.rejects(probe(file), code('INPUT_NOT_AUDIO'));
  });

  it('tells a missing, an empty and a wrong kind of file apart', async (context) => {
    const folder = temporaryFolder(context);
    const empty = path.join(folder, 'empty.mp3');
    writeFileSync(empty, '');
    const pipe = path.join(folder, 'pipe.wav');
    execFileSync('mkfifo', [pipe]);
    await assert.rejects(probe(path.join(folder, 'none.mp3')), code('INPUT_NOT_FOUND'));
    await assert.rejects(probe(path.join(empty, 'below-a-file.mp3')), code('INPUT_NOT_FOUND'));
    await assert.rejects(probe('a\0b.mp3'), code('INPUT_NOT_FOUND'));
    await assert.rejects(probe(empty), code('INPUT_EMPTY'));
    await assert.rejects(probe(folder), code('INPUT_NOT_A_FILE'));
    await assert.rejects(probe(pipe), code('INPUT_NOT_A_FILE'));
    await assert.rejects(probe('/dev/null'), code('INPUT_NOT_A_FILE'));
  });

  it(
    'refuses a file that may not be read',
    { skip: process.getuid?.() === 0 && 'root may read everything' },
    async (context) => {
      const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), '0');
      chmodSync(file, 0);
      await assert.rejects(probe(file), code('INPUT_UNREADABLE'));
    },
  );

  it('says how to install a missing ffmpeg', async (context) => {
    const file = makeAudio(path.join(temporaryFolder(context), 'a.wav'), '0');
    const { PATH } = process.env;
    process.env.PATH = '/nowhere';
    context.after(() => (process.env.PATH = PATH));
    await assert.rejects(probe(file), (error) => {
      assert.match((error as Error).message, /npx oxboard setup/);
      return code('FFMPEG_MISSING')(error);
    });
  });
});
