import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { StoredCheckpoints } from '../../src/worker/stored-checkpoints.js';
import type { CheckpointPosition } from '../../src/jobs/ports.js';
import type { KeptPart } from '../../src/separation/checkpoints.js';
import { openStorage } from '../../src/storage/open.js';
import { temporaryFolder } from '../support/audio.js';
import { recordingLogger } from '../support/logs.js';

async function setting(context: TestContext) {
  const folder = temporaryFolder(context);
  const storage = await openStorage({ storageUrl: undefined, dataDir: folder });
  const stop = new AbortController();
  const { logger, events } = recordingLogger();
  const kept: CheckpointPosition[] = [];
  const open = (prefix = 'checkpoints/job/runtime') =>
    new StoredCheckpoints({
      storage,
      prefix,
      interval: () => 10,
      onKept: (position) => Promise.resolve(void kept.push(position)),
      signal: stop.signal,
      logger,
    });
  // One letter stands for the frame of a stem.
  const song = {
    vocals: 'abcdefghijklmnopqrstuvwxyzabcd',
    other: '0123456789ABCDEFGHIJ0123456789',
  };
  const part = (offset: number, frames: number) => ({
    offset,
    frames,
    files: Object.entries(song).map(([stem, text]) => {
      const file = path.join(folder, stem);
      writeFileSync(file, text);
      return { path: file, start: offset, end: offset + frames - 1 };
    }),
  });
  const textsOf = (kept: KeptPart) =>
    Promise.all(kept.outputs.map(async (read) => text(await read())));
  return { folder, storage, stop, events, open, part, textsOf };
}

describe('checkpoints in the storage', () => {
  it('are found by the next attempt on an equal runtime, with the work that they cost', async (context) => {
    const { open, part, textsOf } = await setting(context);
    const first = open();
    assert.deepEqual(await first.parts(), []);
    assert.equal(first.resumed, false);
    assert.equal(await first.add(part(0, 10)), true);
    const spent = first.workSeconds;
    assert.equal(await first.add(part(10, 5)), true);

    const next = open();
    const parts = (await next.parts()).sort((a, b) => a.offset - b.offset);
    assert.deepEqual(
      parts.map(({ offset, frames }) => [offset, frames]),
      [
        [0, 10],
        [10, 5],
      ],
    );
    assert.deepEqual(await textsOf(parts[0]!), ['abcdefghij', '0123456789']);
    assert.deepEqual(await textsOf(parts[1]!), ['klmno', 'ABCDE']);
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
    missing.files[1]!.path = '/nowhere/at/all';
    assert.equal(await open().add(missing), false);
    assert.equal(events[0]?.event, 'checkpoint_failed');
    for await (const { key } of storage.list('')) assert.fail(key);

    const reason = new Error('cancelled');
    stop.abort(reason);
    await assert.rejects(open().add(part(0, 10)), reason);
  });

  it('that the storage has no answer for are put again with those that follow, without a gap', async (context) => {
    const { folder, open, part, events, textsOf } = await setting(context);
    const writer = open();
    await writer.add(part(0, 10));
    const place = path.join(folder, 'storage');
    renameSync(place, `${place}.away`);
    writeFileSync(place, 'in the way');
    assert.equal(await writer.add(part(10, 5)), false);
    assert.equal(await writer.add(part(10, 10)), false);
    assert.deepEqual(
      events.map(({ event }) => event),
      ['checkpoint_failed', 'checkpoint_failed'],
    );
    await assert.rejects(open().parts(), { code: 'STORAGE_UNAVAILABLE' });
    rmSync(place);
    renameSync(`${place}.away`, place);
    assert.equal(await writer.add(part(10, 20)), true);
    const parts = (await open().parts()).sort((a, b) => a.offset - b.offset);
    assert.deepEqual(
      parts.map(({ offset, frames }) => [offset, frames]),
      [
        [0, 10],
        [10, 20],
      ],
    );
    assert.equal((await textsOf(parts[1]!))[1], 'ABCDEFGHIJ0123456789');
  });
});
