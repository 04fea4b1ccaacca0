/** What the operator does to jobs, as their owners and the storage see it. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdministration } from '../../src/queue/administration.js';
import { PREFIX } from '../../src/queue/keys.js';
import { admission, claimed, startQueue, TENANT, worker } from './harness.js';

const queue = await startQueue({ after });
const member = await queue.join();
const { jobs, claims, workers, sweeper, connection } = member;
const administration = createAdministration(connection, { ...member, jobTtl: 3600 });
await workers.announce(worker('worker'));

/** A song in the storage with a job that failed. */
async function failed(callbackUrl?: string): Promise<{ id: string; key: string }> {
  const asked = admission({ callbackUrl });
  const { source } = asked.request;
  assert.ok(source.kind === 'upload');
  await queue.storage.putBytes(source.key, new Uint8Array(8));
  await jobs.admit(asked);
  await claims.fail(await claimed(member), { code: 'INTERNAL', message: 'A defect' });
  return { id: asked.id, key: source.key };
}

void describe('a failed job', () => {
  it('keeps its song until it is removed', async () => {
    const { id, key } = await failed();
    await sweeper.sweep();
    assert.ok(await queue.storage.stat(key));
    assert.deepEqual(await connection.scripts.orphans({ kind: 'uploads', ids: [id] }), {});
    await jobs.cancelOrRemove(id, TENANT);
    await sweeper.sweep();
    assert.equal(await queue.storage.stat(key), undefined);
  });

  it('that is tried again is followed to its new end', async () => {
    const { id } = await failed('https://example.org/told');
    const before = await jobs.get(id, TENANT);
    assert.equal(await administration.retry(id), 'done');
    const job = await jobs.get(id, TENANT);
    assert.deepEqual(
      [job?.status, job?.error, job?.webhook?.nextAttemptAt],
      ['pending', null, null],
    );
    assert.notEqual(before?.webhook?.nextAttemptAt, null);

    const { signal } = new AbortController();
    const events = await jobs.events(id, TENANT, { after: '0-1', signal });
    const seen: string[] = [];
    const following = (async () => {
      for await (const { status } of events ?? []) if (seen.at(-1) !== status) seen.push(status);
    })();
    const claim = await claimed(member);
    await claims.fail(claim, { code: 'INTERNAL', message: 'Again' });
    await following;
    assert.deepEqual(seen, ['pending', 'processing', 'failed']);
  });
});

void describe('a paused queue', () => {
  it('wakes nobody, and its time is no waiting time', async () => {
    await administration.setPaused(true);
    await jobs.admit(admission());
    const served = () => connection.send(['HGET', `${PREFIX}served`, 'ms']);
    await sweeper.sweep();
    const before = await served();
    assert.ok(Number(before) > 0);
    await sleep(20);
    await sweeper.sweep();
    assert.equal(await served(), before);
    assert.equal(await member.claim(), undefined);
    assert.equal((await administration.queue()).paused, true);
    await administration.setPaused(false);
    assert.ok(await member.claim());
  });
});
