/** WAV files whose header states less sound than they hold. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { decode } from '../../src/audio/decode.js';
import { measureSeconds } from '../../src/audio/measure.js';
import { probe } from '../../src/audio/probe.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';

const RATE = 44_100;
const SECONDS = 4;

/** A file of {@link SECONDS} whose header states another share of them. */
function fileStating(context: TestContext, share: number, behind = Buffer.alloc(0)): string {
  const file = path.join(temporaryFolder(context), 'a.wav');
  makeAudio(file, '0.5*sin(2*PI*440*t)|0.3', { seconds: SECONDS });
  const bytes = readFileSync(file);
  const size = bytes.indexOf('data') + 4;
  bytes.writeUInt32LE(Math.round((bytes.readUInt32LE(size) * share) / 4) * 4, size);
  writeFileSync(file, Buffer.concat([bytes, behind]));
  return file;
}

async function framesOf(file: string): Promise<number> {
  const input = await probe(file);
  let samples = 0;
  for await (const block of decode(input, { sampleRate: RATE, channelCount: 2 })) {
    samples += block.length;
  }
  const frames = samples / 2;
  assert.ok(Math.abs((await measureSeconds(input)) - frames / RATE) < 0.01, 'measured length');
  return frames;
}

function chunk(id: string, size: number): Buffer {
  const bytes = Buffer.alloc(8 + size, 7);
  bytes.write(id);
  bytes.writeUInt32LE(size, 4);
  return bytes;
}

describe('a WAV file', { concurrency: true }, () => {
  it('that holds more sound than it states is read to its end', async (context) => {
    assert.equal(await framesOf(fileStating(context, 0.3)), SECONDS * RATE);
  });

  for (const [what, behind] of [
    ['chunks', Buffer.concat([chunk('LIST', 30_000), chunk('bext', 3001)])],
    ['an ID3 tag', Buffer.concat([Buffer.from('ID3\x03\0\0\0\x01\x7f\x76'), Buffer.alloc(32_758)])],
    ['padding', Buffer.alloc(8192)],
  ] as const) {
    it(`that states the truth is read up to ${what} behind the sound`, async (context) => {
      assert.equal(await framesOf(fileStating(context, 1, behind)), SECONDS * RATE);
    });
  }

  it('that states no length is read to its end', async (context) => {
    assert.equal(await framesOf(fileStating(context, 0)), SECONDS * RATE);
  });
});
