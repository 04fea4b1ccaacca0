import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { StoredCheckpoints } from '../../src/worker/stored-checkpoints.js';
import { openStorage } from '../../src/storage/open.js';
import { temporaryFolder } from '../support/audio.js';
import { recordingLogger } from '../support/logs.js';

async function setting(context: TestContext) {
  const folder = temporaryFolder(context);
  const storage = await openStorage({ storageUrl: undefined, dataDir: folder });
  const stop = new AbortController();
  const { logger, events } = recordingLogger();
  const open = (prefix = 'checkpoints/job/runtime') =>
    new StoredCheckpoints({
      storage,
      prefix,
      directory: folder,
      interval: () => 10,
      signal: stop.signal,
      logger,
    });
  const part = (offset: number, frames: number) => ({
    offset,
    frames,
    files: ['vocals', 'other'].map((stem) => {
      const file = path.join(folder, `${stem}-${offset}`);
      writeFileSync(file, `${stem} from ${offset} `.repeat(frames));
      return file;
    }),
  });
  return { folder, storage, stop, events, open, part };
}

describe('checkpoints in the storage', () => {
  it('are found by the next attempt on an equal runtime, with the work that they cost', async (context) => {
    const { open, part } = await setting(context);
    const first = open();
    assert.deepEqual(await first.parts(), []);
    assert.equal(first.resumed, false);
    await first.add(part(0, 10));
    const spent = first.workSeconds;
    await first.add(part(10, 5));

    const next = open();
    const parts = (await next.parts()).sort((a, b) => a.offset - b.offset);
    assert.deepEqual(
      parts.map(({ offset, frames }) => [offset, frames]),
      [
        [0, 10],
        [10, 5],
      ],
    );
    assert.deepEqual(
      parts[1]!.files.map((file) => readFileSync(file, 'utf8')),
      ['vocals from 10 '.repeat(5), 'other from 10 '.repeat(5)],
    );
    assert.ok(next.resumed);
    assert.ok(next.workSeconds >= spent);
    assert.deepEqual(await open('checkpoints/job/other').parts(), []);
    assert.deepEqual(await open('checkpoints/jo').parts(), []);
  });

  it('that are not whole are passed over', async (context) => {
    const { storage, open, part, events } = await setting(context);
    const writer = open();
    for (const offset of [0, 10, 20, 30]) await writer.add(part(offset, 10));
    await storage.remove('checkpoints/job/runtime/10/part.json');
    await storage.remove('checkpoints/job/runtime/20/1.f32');
    await storage.putBytes('checkpoints/job/runtime/30/0.f32', Buffer.from('cut'));
    await storage.putBytes('checkpoints/job/runtime/40/part.json', Buffer.from('{"offset":'));
    const parts = await open().parts();
    assert.deepEqual(
      parts.map(({ offset }) => offset),
      [0],
    );
    assert.deepEqual(
      events.map(({ event }) => event),
      ['checkpoint_unusable', 'checkpoint_unusable', 'checkpoint_unusable'],
    );
  });

  it('that cannot be kept do not end the work, but its end does', async (context) => {
    const { storage, stop, events, open, part } = await setting(context);
    const missing = part(0, 10);
    missing.files[1] = '/nowhere/at/all';
    await open().add(missing);
    assert.equal(events[0]?.event, 'checkpoint_failed');
    for await (const { key } of storage.list('')) assert.fail(key);

    const reason = new Error('cancelled');
    stop.abort(reason);
    await assert.rejects(open().add(part(0, 10)), reason);
  });

  it('wait while the storage is away, and have no gap afterwards', async (context) => {
    const { folder, open, part, events } = await setting(context);
    const writer = open();
    await writer.add(part(0, 10));
    const place = path.join(folder, 'storage');
    renameSync(place, `${place}.away`);
    writeFileSync(place, 'in the way');
    await writer.add(part(10, 5));
    await writer.add(part(15, 5));
    assert.deepEqual(
      events.map(({ event }) => event),
      ['checkpoint_failed', 'checkpoint_failed'],
    );
    await assert.rejects(open().parts(), { code: 'STORAGE_UNAVAILABLE' });
    rmSync(place);
    renameSync(`${place}.away`, place);
    await writer.add(part(20, 10));
    const parts = (await open().parts()).sort((a, b) => a.offset - b.offset);
    assert.deepEqual(
      parts.map(({ offset, frames }) => [offset, frames]),
      [
        [0, 10],
        [10, 5],
        [15, 5],
        [20, 10],
      ],
    );
    assert.equal(readFileSync(parts[2]!.files[1]!, 'utf8'), 'other from 15 '.repeat(5));
  });
});
