/** Which of several audio tracks is taken. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { probe } from '../../src/audio/probe.js';
import { ffmpeg, temporaryFolder } from '../support/audio.js';

/** Two tracks: mono FLAC in English, stereo PCM in German. */
function twoTracks(context: TestContext, dispositions: [string, string]): string {
  const file = path.join(temporaryFolder(context), 'two.mka');
  ffmpeg(
    '-f', 'lavfi', '-i', 'aevalsrc=0.5:s=44100:d=1', '-f', 'lavfi', '-i', 'aevalsrc=0.5|0.25:s=48000:d=1',
    '-map', '0:a', '-map', '1:a', '-c:a:0', 'flac', '-c:a:1', 'pcm_s16le',
    '-metadata:s:a:0', 'language=eng', '-metadata:s:a:1', 'language=ger', '-metadata:s:a:1', 'title=Kommentar',
    '-disposition:a:0', dispositions[0], '-disposition:a:1', dispositions[1], file,
  ); // prettier-ignore
  return file;
}

describe('of several audio tracks', () => {
  it('the default one is taken, and the result says which it is', async (context) => {
    const { codec, channelCount, track } = await probe(twoTracks(context, ['0', 'default']));
    assert.deepEqual([codec, channelCount], ['pcm_s16le', 2]);
    assert.deepEqual(track, {
      number: 2,
      count: 2,
      codec: 'pcm_s16le',
      language: 'ger',
      title: 'Kommentar',
    });
  });

  it('the first is taken where none is the default', async (context) => {
    assert.equal((await probe(twoTracks(context, ['0', '0']))).track?.number, 1);
  });

  it('another can be chosen', async (context) => {
    const file = twoTracks(context, ['default', '0']);
    assert.equal((await probe(file)).track?.number, 1);
    assert.equal((await probe(file, { track: 2 })).codec, 'pcm_s16le');
    await assert.rejects(probe(file, { track: 3 }), {
      code: 'INVALID_OPTION',
      message: 'Expected integer from 1 to 2 for track but received 3 of type number',
    });
  });

  it('the first that can be decoded is taken where the default one cannot', async (context) => {
    const file = twoTracks(context, ['default', '0']);
    const bytes = readFileSync(file);
    // A codec that nobody knows.
    const at = bytes.indexOf('A_FLAC');
    assert.ok(at > 0);
    bytes.write('A_FLAX', at);
    writeFileSync(file, bytes);
    const { codec, track } = await probe(file);
    assert.deepEqual([codec, track?.number], ['pcm_s16le', 2]);
  });

  it('nothing is said of a single one', async (context) => {
    const file = path.join(temporaryFolder(context), 'one.wav');
    ffmpeg('-f', 'lavfi', '-i', 'aevalsrc=0.5:s=44100:d=0.1', file);
    assert.equal((await probe(file)).track, undefined);
  });
});
