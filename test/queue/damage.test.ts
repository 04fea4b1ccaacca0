/** What is promised when ids have lost their record, or jobs their lane: nothing else is held up. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { connectQueue } from '../../src/queue/connection.js';
import { createDeliveries } from '../../src/queue/deliveries.js';
import { PREFIX, SCHEMA_KEY, SCHEMA_VERSION } from '../../src/queue/keys.js';
import type { Job } from '../../src/jobs/job.js';
import type { Admission } from '../../src/jobs/ports.js';
import { recordingLogger } from '../support/logs.js';
import { admission, model, claimed, quiet, result, startQueue, TENANT, worker } from './harness.js';

const queue = await startQueue({ after });
const [api, one] = await Promise.all([queue.join(), queue.join()]);
const { scripts } = api.connection;
const send = (args: string[]) => api.connection.send(args);
await api.workers.announce(worker('worker'));

const admit = async (overrides: Parameters<typeof admission>[0] = {}): Promise<Job> =>
  (await api.jobs.admit(admission(overrides))).job;
const link = (): Admission => {
  const asked = admission();
  const url = 'https://www.youtube.com/watch?v=abcdefghijk';
  const known = { key: null, sha256: null, sizeBytes: null, durationSeconds: null };
  const source = { kind: 'youtube' as const, url, name: url, model: model('toy'), ...known };
  return { ...asked, request: { ...asked.request, source } };
};
const loseRecord = (id: string) => send(['DEL', `${PREFIX}job:${id}`]);
const leavesNothing = async (id: string) => {
  for (const key of (await send(['KEYS', `${PREFIX}*`])) as string[]) {
    if ((await send(['TYPE', key])) !== 'zset' || key.includes(':tenant:')) continue;
    assert.equal(await send(['ZSCORE', key, id]), null, `${id} is still in ${key}`);
  }
  assert.equal(await send(['HGET', `${PREFIX}places`, id]), null);
};

afterEach(async () => {
  for (const { id } of (await api.jobs.list(TENANT, { limit: 1000 })).jobs) {
    await api.jobs.cancelOrRemove(id, TENANT);
    await api.jobs.cancelOrRemove(id, TENANT);
  }
  assert.deepEqual(await api.jobs.counts(), { pending: 0, processing: 0 });
  for (const pattern of [
    'queued',
    'places',
    'lane:*',
    'queue:*',
    'waiting:*',
    'delayed',
    'leases*',
  ]) {
    assert.deepEqual(await send(['KEYS', `${PREFIX}${pattern}`]), []);
  }
});

describe('a job that costs nothing', () => {
  for (const costSeconds of [0, 1e-9]) {
    it(`is claimed and ends like any other (${String(costSeconds)} s)`, async () => {
      const job = await admit({ costSeconds });
      const claim = await claimed(one);
      assert.equal(claim.job.id, job.id);
      assert.equal(await one.claims.handBack(claim), true);
      assert.equal(await one.claims.complete(await claimed(one), result()), true);
    });

    it(`is cancelled while it waits (${String(costSeconds)} s)`, async () => {
      const job = await admit({ costSeconds });
      assert.equal(await api.jobs.cancelOrRemove(job.id, TENANT), 'cancelled');
      assert.equal(await one.claim(), undefined);
    });
  }
});

describe('an id whose record is gone', () => {
  it('is dropped from its lane by the next claim', async () => {
    const [gone, left] = [await admit({ costSeconds: 7 }), await admit()];
    await loseRecord(gone.id);
    assert.equal((await claimed(one)).job.id, left.id);
    await leavesNothing(gone.id);
    assert.equal(await api.jobs.waitSeconds(1), 10, 'its cost counts no longer');
  });

  it('is dropped from its lane by a sweep', async () => {
    const gone = await admit();
    await loseRecord(gone.id);
    assert.equal((await one.sweeper.sweep()).queued, 0);
    await leavesNothing(gone.id);
  });

  it('keeps no other lease from being swept', async () => {
    const [gone, lost] = [await admit(), await admit()];
    const claims = [await claimed(one), await claimed(one)];
    await loseRecord(gone.id);
    assert.equal(await one.claims.complete(claims[0]!, result()), false);
    for (const { id } of [gone, lost]) await send(['ZADD', `${PREFIX}leases`, '1', id]);
    assert.equal((await one.sweeper.sweep()).requeued, 1);
    await leavesNothing(gone.id);
    assert.equal((await claimed(one)).job.id, lost.id);
    assert.ok(Number.isFinite(await api.jobs.waitSeconds(1)));
  });

  it('keeps no other record from expiring', async () => {
    const [gone, ended] = [await admit(), await admit()];
    for (const { id } of [gone, ended]) {
      await api.jobs.cancelOrRemove(id, TENANT);
      await send(['ZADD', `${PREFIX}expiry`, '1', id]);
    }
    await loseRecord(gone.id);
    assert.equal((await one.sweeper.sweep()).removed, 1);
    await leavesNothing(gone.id);
    assert.equal(await api.jobs.get(ended.id, TENANT), undefined);
  });

  it('keeps no other song from being downloaded', async () => {
    const [gone, left] = [await api.jobs.admit(link()), await api.jobs.admit(link())];
    await loseRecord(gone.job.id);
    assert.equal((await one.downloads.claim('worker'))?.job.id, left.job.id);
    await leavesNothing(gone.job.id);
  });

  it('keeps no other webhook from being delivered', async () => {
    const deliveries = createDeliveries(api.connection);
    const callbackUrl = 'https://example.org/hook';
    const jobs = [await admit({ callbackUrl }), await admit({ callbackUrl })] as const;
    for (const { id } of jobs) await api.jobs.cancelOrRemove(id, TENANT);
    await loseRecord(jobs[0].id);
    const { claim, waiting } = await deliveries.claim();
    assert.equal(claim?.job.id, jobs[1].id);
    assert.equal(waiting, 1);
    await leavesNothing(jobs[0].id);
  });

  it('shortens no list, and its Idempotency-Key can be used again', async () => {
    const idempotency = { key: 'key', fingerprint: 'a' };
    const [first, gone, last] = [await admit(), await admit({ idempotency }), await admit()];
    await loseRecord(gone.id);
    assert.equal(await api.jobs.get(gone.id, TENANT), undefined);
    const { jobs, nextCursor } = await api.jobs.list(TENANT, { limit: 2 });
    assert.deepEqual(
      jobs.map(({ id }) => id),
      [last.id, first.id],
    );
    assert.equal(nextCursor, undefined);
    const again = admission({ idempotency: { key: 'key', fingerprint: 'b' } });
    assert.equal((await api.jobs.admit(again)).job.id, again.id);
  });

  it('with a request that cannot be read is left out of lists, and hides no other', async () => {
    const [first, damaged, last] = [await admit(), await admit(), await admit()];
    for (const request of ['{', '{}', '[]']) {
      await send(['HSET', `${PREFIX}job:${damaged.id}`, 'request', request]);
      const { jobs } = await api.jobs.list(TENANT, { limit: 10 });
      assert.deepEqual(
        jobs.map(({ id }) => id),
        [last.id, first.id],
      );
    }
    const page = await api.jobs.list(TENANT, { limit: 2 });
    const rest = await api.jobs.list(TENANT, { limit: 2, cursor: page.nextCursor });
    assert.deepEqual(
      [page, rest].map(({ jobs }) => jobs.map(({ id }) => id)),
      [[last.id], [first.id]],
    );
    assert.equal(await api.jobs.cancelOrRemove(damaged.id, TENANT), 'cancelled');
    assert.equal(await api.jobs.cancelOrRemove(damaged.id, TENANT), 'removed');
  });

  it('with half a record is dropped as well', async () => {
    const damaged = await admit();
    const left = await admit();
    await send(['HDEL', `${PREFIX}job:${damaged.id}`, 'costMs', 'createdAt']);
    assert.equal((await claimed(one)).job.id, left.id);
    assert.equal(await send(['EXISTS', `${PREFIX}job:${damaged.id}`]), 0);
    await leavesNothing(damaged.id);
  });
});

describe('a job in no lane', () => {
  it('is queued again by a sweep', async () => {
    const job = await admit();
    const download = (await api.jobs.admit(link())).job;
    for (const key of (await send(['KEYS', `${PREFIX}lane:*`])) as string[])
      await send(['DEL', key]);
    assert.equal(await one.claim(), undefined);
    assert.equal((await one.sweeper.sweep()).restored, 2);
    assert.equal((await one.sweeper.sweep()).restored, 0);
    assert.equal((await claimed(one)).job.id, job.id);
    assert.equal((await one.downloads.claim('worker'))?.job.id, download.id);
  });

  it('is queued again when its lease is lost, or the job that it waits for', async () => {
    const sha256 = 'a'.repeat(64);
    const [first, second] = [await admit({ sha256 }), await admit({ sha256 })];
    const claim = await claimed(one);
    assert.equal(await one.claim(), undefined, 'the second waits for the first');
    assert.equal((await one.sweeper.sweep()).restored, 0, 'as it should');
    await loseRecord(first.id);
    await send(['ZREM', `${PREFIX}leases`, first.id]);
    assert.equal((await one.sweeper.sweep()).restored, 1);
    assert.equal(await one.claims.complete(claim, result()), false);
    const next = await claimed(one);
    assert.equal(next.job.id, second.id);
    await send(['DEL', `${PREFIX}leases`]);
    assert.equal((await one.sweeper.sweep()).restored, 1);
    assert.equal((await claimed(one)).job.id, second.id);
  });
});

describe('a result that is gone', () => {
  it('is computed again', async () => {
    const sha256 = 'b'.repeat(64);
    await admit({ sha256 });
    assert.equal(await one.claims.complete(await claimed(one), result('gone')), true);
    await send(['DEL', `${PREFIX}result:gone`]);
    await admit({ sha256 });
    const claim = await claimed(one);
    assert.equal(claim.cached, undefined);
    assert.equal(await one.claims.complete(claim, result()), true);
  });
});

describe('arguments that do not fit', () => {
  it('are refused before anything is written', async () => {
    const before = (await send(['DBSIZE'])) as number;
    await assert.rejects(api.jobs.admit(admission({ costSeconds: NaN })), /argument: costMs/);
    const record = { id: 'x', tenant: TENANT };
    const more = {
      lane: 'short',
      client: '',
      model: 'toy',
      costMs: 1,
      audio: null,
      options: '',
      upload: '',
    };
    await assert.rejects(
      scripts.admit({ ...more, record, idempotency: undefined } as never),
      /argument: record/,
    );
    const unknown = { workerId: 'worker' };
    await assert.rejects(scripts.withdraw(unknown as never), /argument/);
    assert.equal(await send(['DBSIZE']), before);
  });

  it('may hold any text', async () => {
    const job = await admit({ costSeconds: 1 });
    const message = `${String.fromCharCode(0xd83d)} "cut" \0 \n 😀`;
    assert.equal(await one.claims.fail(await claimed(one), { code: 'INTERNAL', message }), true);
    const { error } = (await api.jobs.get(job.id, TENANT))!;
    assert.equal(error?.message, message);
  });
});

describe('a Redis that may delete data for lack of memory', () => {
  it('is warned of at the start', async () => {
    const settings = { redisUrl: queue.redis.url, redisDb: 1 };
    for (const policy of ['allkeys-lru', 'volatile-ttl', 'noeviction']) {
      await send(['CONFIG', 'SET', 'maxmemory-policy', policy]);
      const { logger, events } = recordingLogger();
      await (await connectQueue(settings, logger)).close();
      const warned = events.filter(({ event }) => event === 'redis_evicts');
      assert.equal(warned.length, policy === 'noeviction' ? 0 : 1, policy);
    }
  });
});

describe('data of another schema version', () => {
  it('is refused with a sentence that names both', async () => {
    const settings = { redisUrl: queue.redis.url, redisDb: 1 };
    const connection = await connectQueue(settings, quiet);
    await connection.send(['SET', SCHEMA_KEY, '7']);
    await assert.rejects(connectQueue(settings, quiet), {
      code: 'INVALID_ENVIRONMENT',
      message: new RegExp(`version 7.*reads version ${String(SCHEMA_VERSION)}.*REDIS_DB`),
    });
    await connection.close();
  });
});
