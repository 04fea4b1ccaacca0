/** Formats beyond the common ones, and names that lie. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { probe } from '../../src/audio/probe.js';
import { ffmpeg, makeAudio, temporaryFolder } from '../support/audio.js';

const folder = temporaryFolder({ after });
const SINE = '0.5*sin(2*PI*440*t)';

describe('a format', () => {
  for (const [name, options] of [
    ['a.voc', ['-c:a', 'pcm_s16le']],
    ['a.rm', ['-c:a', 'ac3']],
    ['a.latm', ['-c:a', 'aac', '-f', 'latm']],
    ['a.aifc', ['-c:a', 'pcm_alaw', '-f', 'aiff']],
    ['a.mxf', ['-c:a', 'pcm_s16le', '-ar', '48000', '-f', 'mxf_opatom']],
    ['a.caf', ['-c:a', 'alac']],
    ['a.sox', ['-c:a', 'pcm_s32le', '-f', 'sox']],
  ] as const) {
    it(`is read, also under another name: ${name}`, async () => {
      const file = makeAudio(path.join(folder, name), SINE, { options: [...options] });
      const lying = path.join(folder, `${name}.mp3`);
      copyFileSync(file, lying);
      assert.equal((await probe(lying)).container, (await probe(file)).container);
    });
  }

  it('that is not read is named', async () => {
    const file = path.join(folder, 'picture.mp3');
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'color=red:s=16x16:d=1',
      '-frames:v',
      '1',
      '-f',
      'image2',
      '-c:v',
      'png',
      file,
    );
    await assert.rejects(probe(file), {
      code: 'INPUT_NOT_AUDIO',
      message: /its format "png" is not accepted/,
    });
  });
});
