/** What becomes of records and files when they are no longer needed. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { createJanitor } from '../../src/queue/janitor.js';
import type { Job } from '../../src/jobs/job.js';
import { createSweeper } from '../../src/queue/sweeper.js';
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
const TRASH = `${PREFIX}trash`;
const settings = {
  dispatcher: one.dispatcher,
  storage,
  jobTtl: 1,
  maxWait: 3600,
  keptMs: 0,
  logger: quiet,
};

async function put(...keys: string[]): Promise<void> {
  for (const key of keys) await storage.putBytes(key, new Uint8Array(3));
}

async function objects(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list('')) keys.push(key);
  return keys;
}

/** What is there after a sweep. */
async function kept(): Promise<string[]> {
  await one.sweeper.sweep();
  return objects();
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
    const stems = [`results/${shared}/drums.wav`, `results/${shared}/vocals.wav`];
    assert.deepEqual(await kept(), stems);

    await api.jobs.cancelOrRemove(jobs[0]!.id, TENANT);
    assert.deepEqual(await kept(), stems);
    assert.equal((await api.jobs.get(jobs[1]!.id, TENANT))?.result?.id, shared);
    await api.jobs.cancelOrRemove(jobs[1]!.id, TENANT);
    assert.deepEqual(await kept(), []);
    await admit({ sha256: 'same' });
    assert.equal((await claimed(one)).cached, undefined, 'what is gone is computed anew');
  });

  it('of a cancelled job go', async () => {
    const waiting = await admit();
    await api.jobs.cancelOrRemove(waiting.id, TENANT);
    const running = await admit();
    await claimed(one);
    await api.jobs.cancelOrRemove(running.id, TENANT);
    const left = (await kept()).filter((key) =>
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
    assert.equal((await kept()).filter((key) => key.includes(shared)).length, 2);
    assert.equal(await one.claims.complete(claim, claim.cached), true);
    await api.jobs.cancelOrRemove(claim.job.id, TENANT);
    assert.equal((await kept()).filter((key) => key.includes(shared)).length, 0);
  });

  it('that could not be removed are removed later', async () => {
    let broken = true;
    const failing = new Proxy(storage, {
      get(target, name: keyof Storage) {
        if (broken && name.startsWith('remove')) return () => Promise.reject(new Error('no'));
        return target[name]?.bind(target);
      },
    });

    const sweeper = createSweeper(api.connection, { ...settings, storage: failing });
    const job = await admit();
    await api.jobs.cancelOrRemove(job.id, TENANT);
    await sweeper.sweep();
    assert.ok((await objects()).includes(`uploads/${job.id}`));
    broken = false;
    for (const entry of (await api.connection.send(['ZRANGE', TRASH, '0', '-1'])) as string[]) {
      await api.connection.send(['ZADD', TRASH, '0', entry]);
    }
    await sweeper.sweep();
    assert.ok(!(await objects()).some((key) => key.includes(job.id)));
  });

  it('are kept for some seconds: a Redis that loses its last second needs them again', async () => {
    const sweeper = createSweeper(api.connection, { ...settings, keptMs: 60_000 });
    const job = await admit();
    await complete();
    await sweeper.sweep();
    assert.ok((await objects()).includes(`uploads/${job.id}`));
    await api.jobs.cancelOrRemove(job.id, TENANT);
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
    const lasting = /^(number|turn|turns:.*|served|workers|workers:live|workers:known|bee:.*)$/;
    assert.deepEqual(
      keys.filter((key) => key !== SCHEMA_KEY && !lasting.test(key.slice(PREFIX.length))),
      [],
    );
  });
});

describe('a job that no worker takes', () => {
  const MAX_WAIT_MS = 600_000;
  const { connection } = one;
  const sweeper = createSweeper(connection, { ...settings, maxWait: MAX_WAIT_MS / 1000 });
  const served = `${PREFIX}served`;
  const errorOf = async ({ id }: Job) => (await api.jobs.get(id, TENANT))?.error;
  /** As if so much time had passed since the last sweep. */
  const sleep = (ms: number) => connection.send(['HINCRBY', served, 'at', String(-ms)]);
  /** As if workers had been there for so much longer. */
  const serve = (ms: number) => connection.send(['HINCRBY', served, 'ms', String(ms)]);

  it('fails when its time is over, says what to do, and keeps its song with its record', async () => {
    const job = await admit();
    await sweeper.sweep();
    await serve(MAX_WAIT_MS / 2);
    const later = await admit();
    assert.equal((await sweeper.sweep()).unserved, 0, 'it may wait, also longer than JOB_TTL');
    await serve(MAX_WAIT_MS / 2);
    assert.equal((await sweeper.sweep()).unserved, 1);
    const { code, message } = (await errorOf(job))!;
    assert.equal(code, 'NO_WORKER');
    assert.match(message, /600 s \(JOB_MAX_WAIT\).*[Ss]end it again/);
    assert.equal((await claimed(one)).job.id, later.id);
    await api.jobs.cancelOrRemove(later.id, TENANT);
    await sweeper.sweep();
    assert.deepEqual(await objects(), [`uploads/${job.id}`]);
    await api.jobs.cancelOrRemove(job.id, TENANT);
    await sweeper.sweep();
    assert.deepEqual(await objects(), []);
  });

  it('does not fail after a time without workers or without a service', async () => {
    const job = await admit();
    await sweeper.sweep();
    await sleep(10 * MAX_WAIT_MS);
    assert.equal((await sweeper.sweep()).unserved, 0, 'nothing ran');
    await api.workers.withdraw('worker');
    const before = await connection.send(['HGET', served, 'ms']);
    for (let count = 0; count < 3; count++) {
      await sleep(5_000);
      await sweeper.sweep();
    }
    assert.equal(await connection.send(['HGET', served, 'ms']), before, 'no worker ran');
    await api.workers.announce(worker('worker'));
    await sleep(5_000);
    await sweeper.sweep();
    assert.ok(Number(await connection.send(['HGET', served, 'ms'])) >= Number(before) + 5_000);
    assert.equal(await statusOf(api, job), 'pending');
    await api.jobs.cancelOrRemove(job.id, TENANT);
  });

  it('waits anew after a worker had it, but not after an outage, whose error it gets', async () => {
    const outage = { code: 'DISK_FULL', message: 'There is not enough space on the disk' };
    const job = await admit();
    await serve(MAX_WAIT_MS - 60_000);
    await one.claims.handBack(await claimed(one));
    await serve(MAX_WAIT_MS - 60_000);
    assert.equal((await sweeper.sweep()).unserved, 0);
    assert.equal(await one.claims.handBack(await claimed(one), outage), true);
    assert.equal(await one.claim(), undefined, 'it stays away from its lane for a while');
    assert.equal((await sweeper.sweep()).restored, 0);
    await serve(60_000);
    assert.equal(await statusOf(api, job), 'processing');
    await connection.send(['ZADD', `${PREFIX}delayed`, '1', job.id]);
    assert.equal((await sweeper.sweep()).unserved, 1);
    assert.deepEqual(await errorOf(job), outage);
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
    const orphans = [
      `uploads/${randomUUID()}`,
      `resumable/${randomUUID()}/song`,
      `results/${randomUUID()}/drums.wav`,
      late,
    ];
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
