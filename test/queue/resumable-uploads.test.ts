/** Locks of resumable uploads, over several processes. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { connectQueue } from '../../src/queue/connection.js';
import { PREFIX } from '../../src/queue/keys.js';
import { createResumableUploads } from '../../src/queue/resumable-uploads.js';
import { startRedis } from '../support/redis.js';
import { until } from '../support/until.js';
import { quiet } from './harness.js';

const LEASE_MS = 400;
const redis = await startRedis({ after });
async function join() {
  const connection = await connectQueue({ redisUrl: redis.url, redisDb: 0 }, quiet);
  after(() => connection.close());
  const uploads = createResumableUploads(connection, { logger: quiet, leaseMs: LEASE_MS });
  return { connection, uploads };
}
const [one, other] = [await join(), await join()];
const { signal } = new AbortController();
const nothing = () => undefined;
const holderOf = (id: string) => one.connection.send(['GET', `${PREFIX}resumable:${id}:lock`]);

void describe('the lock of an upload', () => {
  it('is renewed while it is held, and given to the next when the holder lets go', async () => {
    const id = randomUUID();
    const events: string[] = [];
    const wanted = new Promise<void>((resolve) => {
      void one.uploads.lock(id, { signal, onWanted: resolve }).then((release) => {
        events.push('first');
        void wanted.then(async () => {
          // Far longer than the lease.
          await new Promise((done) => setTimeout(done, 4 * LEASE_MS));
          events.push('released');
          await release();
        });
      });
    });
    await until(() => events.length === 1);
    const release = await other.uploads.lock(id, { signal, onWanted: nothing });
    events.push('second');
    await release();
    assert.deepEqual(events, ['first', 'released', 'second']);
    assert.equal(await holderOf(id), null);
  });

  it('runs out when its process has ended', async () => {
    const id = randomUUID();
    // As of a process that was killed: nobody renews it.
    const dead = { id, token: 'dead', leaseMs: LEASE_MS, renews: false };
    assert.deepEqual(await one.connection.scripts.lockResumable(dead), { held: true });
    const release = await other.uploads.lock(id, { signal, onWanted: nothing });
    assert.notEqual(await holderOf(id), 'dead');
    await release();
  });

  it('that was lost is told to its holder, who gives nothing of the next one back', async () => {
    const id = randomUUID();
    let release: (() => Promise<void>) | undefined;
    await new Promise<void>((resolve, reject) => {
      one.uploads.lock(id, { signal, onWanted: resolve }).then(async (given) => {
        release = given;
        await one.connection.send(['SET', `${PREFIX}resumable:${id}:lock`, 'another']);
      }, reject);
    });
    await release?.();
    assert.equal(await holderOf(id), 'another');
  });

  it('is not waited for by a request that has ended', async () => {
    const id = randomUUID();
    const release = await one.uploads.lock(id, { signal, onWanted: nothing });
    const gone = new AbortController();
    const waiting = other.uploads.lock(id, { signal: gone.signal, onWanted: nothing });
    gone.abort(new Error('gone'));
    await assert.rejects(waiting, { message: 'gone' });
    await release();
  });
});
