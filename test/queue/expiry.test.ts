/** What becomes of records and files when they are no longer needed. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { createJanitor } from '../../src/queue/janitor.js';
import type { Job } from '../../src/jobs/job.js';
import { createSweeper } from '../../src/queue/sweeper.js';
import { createJobs } from '../../src/queue/jobs.js';
import type { Storage } from '../../src/storage/storage.js';
import { PREFIX, SCHEMA_KEY } from '../../src/queue/keys.js';
import {
  admission,
  claimed,
  quiet,
  result,
  startQueue,
  statusOf,
  TENANT,
  worker,
} from './harness.js';

const queue = await startQueue({ after });
const { storage } = queue;
const [api, one] = await Promise.all([queue.join(), queue.join()]);
await api.workers.announce(worker('worker'));

async function put(...keys: string[]): Promise<void> {
  for (const key of keys) await storage.putBytes(key, new Uint8Array(3));
}

async function objects(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list('')) keys.push(key);
  return keys;
}

async function admit(overrides?: Parameters<typeof admission>[0]): Promise<Job> {
  const { job } = await api.jobs.admit(admission(overrides));
  await put(`uploads/${job.id}`, `checkpoints/${job.id}/cpu/0.f32`);
  return job;
}

/** Does the next job, and stores its stems. */
async function complete(): Promise<string> {
  const claim = await claimed(one);
  if (claim.cached) {
    await one.claims.complete(claim, claim.cached);
    return claim.cached.id;
  }
  const made = result();
  await put(`results/${made.id}/drums.wav`, `results/${made.id}/vocals.wav`);
  await one.claims.complete(claim, made);
  return made.id;
}

/** As if the time of all records of ended jobs was over. */
async function endLives(): Promise<void> {
  const ids = (await api.connection.send(['ZRANGE', `${PREFIX}expiry`, '0', '-1'])) as string[];
  for (const id of ids) await api.connection.send(['ZADD', `${PREFIX}expiry`, '1', id]);
}

describe('files', () => {
  it('of the work go when it has ended, stems with the last job that has them', async () => {
    const jobs = [await admit({ sha256: 'same' }), await admit({ sha256: 'same' })];
    const shared = await complete();
    assert.equal(await complete(), shared);
    await one.sweeper.sweep();
    const stems = [`results/${shared}/drums.wav`, `results/${shared}/vocals.wav`];
    assert.deepEqual(await objects(), stems);

    await api.jobs.cancelOrRemove(jobs[0]!.id, TENANT);
    assert.deepEqual(await objects(), stems);
    assert.equal((await api.jobs.get(jobs[1]!.id, TENANT))?.result?.id, shared);
    await api.jobs.cancelOrRemove(jobs[1]!.id, TENANT);
    assert.deepEqual(await objects(), []);
    await admit({ sha256: 'same' });
    assert.equal((await claimed(one)).cached, undefined, 'what is gone is computed anew');
  });

  it('of a cancelled job go at once', async () => {
    const waiting = await admit();
    await api.jobs.cancelOrRemove(waiting.id, TENANT);
    const running = await admit();
    await claimed(one);
    await api.jobs.cancelOrRemove(running.id, TENANT);
    const left = (await objects()).filter((key) =>
      [waiting, running].some(({ id }) => key.includes(id)),
    );
    assert.deepEqual(left, []);
  });

  it('of a cached result stay while a job that was promised it is worked on', async () => {
    const first = await admit({ sha256: 'promised' });
    const shared = await complete();
    await admit({ sha256: 'promised' });
    const claim = await claimed(one);
    assert.equal(claim.cached?.id, shared);
    await api.jobs.cancelOrRemove(first.id, TENANT);
    assert.equal((await objects()).filter((key) => key.includes(shared)).length, 2);
    assert.equal(await one.claims.complete(claim, claim.cached), true);
    await api.jobs.cancelOrRemove(claim.job.id, TENANT);
    assert.equal((await objects()).filter((key) => key.includes(shared)).length, 0);
  });

  it('that could not be removed are removed later', async () => {
    let broken = true;
    const failing = new Proxy(storage, {
      get(target, name: keyof Storage) {
        if (broken && name.startsWith('remove')) return () => Promise.reject(new Error('no'));
        return target[name]?.bind(target);
      },
    });

    const jobs = createJobs(api.connection, {
      dispatcher: api.dispatcher,
      storage: failing,
      jobTtl: 1,
      logger: quiet,
    });
    const job = await admit();
    assert.equal(await jobs.cancelOrRemove(job.id, TENANT), 'cancelled');
    assert.ok((await objects()).includes(`uploads/${job.id}`));
    broken = false;
    await one.sweeper.sweep();
    assert.ok(!(await objects()).some((key) => key.includes(job.id)));
  });
});

describe('records', () => {
  it('go when their time is over, with all that Redis had of them', async () => {
    const done = await admit({ idempotency: { key: 'k', fingerprint: 'f' } });
    await complete();
    const failed = await admit();
    await one.claims.fail(await claimed(one), { code: 'INTERNAL', message: '' });
    const pending = await admit();
    const running = await admit();
    const gone = async () =>
      (await statusOf(api, done)) === 'gone' && (await statusOf(api, failed)) === 'gone';
    await one.sweeper.sweep();
    assert.equal(await gone(), false);
    await endLives();
    await one.sweeper.sweep();
    assert.equal(await gone(), true);
    assert.equal(await statusOf(api, pending), 'pending');
    assert.equal(await statusOf(api, running), 'pending');
    for (const { id } of [pending, running]) await api.jobs.cancelOrRemove(id, TENANT);

    const listed = async () => (await api.jobs.list(TENANT, { limit: 100 })).jobs;
    for (const { id, status } of await listed()) {
      if (status === 'processing') await api.jobs.cancelOrRemove(id, TENANT);
    }
    await endLives();
    await one.sweeper.sweep();
    assert.deepEqual(await listed(), []);
    assert.deepEqual(await objects(), []);
    const keys = (await api.connection.send(['KEYS', '*'])) as string[];
    const lasting =
      /^(number|turn|queued|queued:models|workers|workers:live|workers:known|bee:.*)$/;
    assert.deepEqual(
      keys.filter((key) => key !== SCHEMA_KEY && !lasting.test(key.slice(PREFIX.length))),
      [],
    );
    const queued = (await api.connection.send(['HVALS', `${PREFIX}queued`])) as string[];
    assert.deepEqual([...new Set(queued)], ['0']);
  });
});

describe('a job that no worker takes', () => {
  it('fails when its time is over, and leaves no upload', async () => {
    const { connection, dispatcher } = one;
    const settings = { dispatcher, storage, jobTtl: 3600, maxWait: 600, logger: quiet };
    const sweeper = createSweeper(connection, settings);
    const job = await admit();
    assert.equal((await sweeper.sweep()).unserved, 0, 'it may wait a little');
    await connection.send(['HINCRBY', `${PREFIX}job:${job.id}`, 'queuedAt', '-600001']);
    assert.equal((await sweeper.sweep()).unserved, 1);
    assert.equal((await api.jobs.get(job.id, TENANT))?.error?.code, 'NO_WORKER');
    assert.deepEqual(await objects(), []);
    assert.equal(await one.claim(), undefined);
    await api.jobs.cancelOrRemove(job.id, TENANT);
  });
});

describe('the janitor', () => {
  const intervalMs = 60_000;
  const janitor = createJanitor(one.connection, { storage, logger: quiet, intervalMs });

  it('removes what is old and nobody needs, once for all workers', async () => {
    const running = await admit();
    await claimed(one);
    const done = await admit();
    const kept = await complete();
    // Of a worker that had not heard yet that its job was over.
    const late = `checkpoints/${done.id}/cpu/0.f32`;
    const orphans = [`uploads/${randomUUID()}`, `results/${randomUUID()}/drums.wav`, late];
    const young = `results/${randomUUID()}/drums.wav`;
    await one.sweeper.sweep();
    await put(...orphans, young);
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const key of await objects()) {
      if (key !== young) await utimes(path.join(queue.dataDir, 'storage', key), old, old);
    }

    const other = createJanitor(api.connection, { storage, logger: quiet, intervalMs });
    const removed = await Promise.all([janitor.round(), other.round()]);
    assert.deepEqual(
      removed.filter((count) => count !== undefined),
      [orphans.length],
    );
    const left = await objects();
    assert.deepEqual(
      left,
      [
        `uploads/${running.id}`,
        `checkpoints/${running.id}/cpu/0.f32`,
        `results/${kept}/drums.wav`,
        `results/${kept}/vocals.wav`,
        young,
      ].sort(),
    );
    assert.equal(await janitor.round(), undefined);
  });
});
