/** A spool that is read while it is written. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { it } from 'node:test';
import { SpoolWriter } from '../../src/audio/spool.js';
import { temporaryFolder } from '../support/audio.js';

it('a spool that is asked for what it has so far loses nothing that is written meanwhile', async (context) => {
  const file = path.join(temporaryFolder(context), 'a.f32');
  const writer = await SpoolWriter.create(file, { sampleRate: 44_100, channelCount: 1 });
  const asked: Promise<unknown>[] = [];
  const blocks = 3000;
  for (let block = 0; block < blocks; block++) {
    asked.push(writer.soFar());
    await writer.write(Float32Array.of(block + 1));
  }
  await Promise.all(asked);
  const spool = await writer.finish();
  const samples: number[] = [];
  for await (const part of spool.samples()) samples.push(...part);
  assert.deepEqual(
    samples,
    Array.from({ length: blocks }, (_, block) => block + 1),
  );
});
