/** What workers are promised: one job in one pair of hands, forward only, and each in its turn. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import type { Job } from '../../src/jobs/job.js';
import type { Claim } from '../../src/jobs/ports.js';
import { PREFIX } from '../../src/queue/keys.js';
import {
  admission,
  claimed,
  model,
  result,
  startQueue,
  statusOf,
  TENANT,
  worker,
  type Member,
} from './harness.js';
import { until } from '../support/until.js';

const LEASE = 100;
const queue = await startQueue({ after });
const [api, one, two] = await Promise.all([queue.join(), queue.join(), queue.join()]);
/** A worker that is soon believed dead. */
const frail = await queue.join({ leaseMs: LEASE });
await Promise.all(['worker', 'other'].map((id) => api.workers.announce(worker(id))));

const admit = async (overrides?: Parameters<typeof admission>[0]): Promise<Job> =>
  (await api.jobs.admit(admission(overrides))).job;
const get = async ({ id }: Job): Promise<Job> => (await api.jobs.get(id, TENANT))!;

/** Sweeps until the lease of a frail worker was seen to be over. */
const loseWorker = (outcome: 'requeued' | 'failed' = 'requeued') =>
  until(async () => (await one.sweeper.sweep())[outcome] === 1, 'the end of a lease');

afterEach(async () => {
  for (const { id } of (await api.jobs.list(TENANT, { limit: 1000 })).jobs) {
    await api.jobs.cancelOrRemove(id, TENANT);
    await api.jobs.cancelOrRemove(id, TENANT);
  }
  assert.deepEqual(await api.jobs.counts(), { pending: 0, processing: 0 });
  assert.equal(await one.claim(), undefined);
});

describe('a claim', () => {
  it('is one at a time, however many try', async () => {
    const job = await admit();
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? one : two).claim()),
    );
    const [claim, ...more] = claims.filter((each) => each !== undefined);
    assert.equal(claim?.job.id, job.id);
    assert.deepEqual(more, []);
    const { status, stage, attempts, startedAt } = await get(job);
    assert.deepEqual(
      { status, stage, attempts },
      { status: 'processing', stage: 'loading', attempts: 1 },
    );
    assert.ok(startedAt !== null && startedAt >= job.createdAt);
  });

  it('is no other that Redis has given before it lost the end of its file', async () => {
    await admit();
    const forgotten = await claimed(one);
    await api.connection.send(['FLUSHALL']);
    await api.workers.announce(worker('worker'));
    await admit();
    const claim = await claimed(one);
    assert.notEqual(claim.token, forgotten.token);
    await one.claims.fail(claim, { code: 'INTERNAL', message: '' });
  });

  it('ends once, whoever else tries to end it', async () => {
    const job = await admit();
    const claim = await claimed(one);
    const ends = await Promise.all([
      one.claims.complete(claim, result('first')),
      two.claims.complete(claim, result('second')),
      two.claims.fail(claim, { code: 'INTERNAL', message: '' }),
      api.jobs.cancelOrRemove(job.id, TENANT).then((outcome) => outcome === 'cancelled'),
    ]);
    assert.equal(ends.filter(Boolean).length, 1);
    assert.equal(await one.claims.progress(claim, { stage: 'storing', progress: 99 }), false);
  });

  it('completes again with the same answer, for one who did not get it', async () => {
    const job = await admit();
    const claim = await claimed(one);
    assert.equal(await one.claims.complete(claim, result('mine')), true);
    assert.equal(await one.claims.complete(claim, result('mine')), true);
    assert.equal(await one.claims.complete(claim, result('another')), false);
    assert.equal((await get(job)).result?.id, 'mine');
  });

  for (const [how, end] of Object.entries({
    complete: (member: Member, claim: Claim) => member.claims.complete(claim, result()),
    fail: (member: Member, claim: Claim) =>
      member.claims.fail(claim, { code: 'INTERNAL', message: 'no' }),
    handBack: (member: Member, claim: Claim) => member.claims.handBack(claim),
    progress: (member: Member, claim: Claim) =>
      member.claims.progress(claim, { stage: 'encoding', progress: 50 }),
  })) {
    it(`is void for ${how} after the job was cancelled, lost and claimed by another`, async () => {
      const cancelled = await admit();
      const void1 = await claimed(one);
      await api.jobs.cancelOrRemove(cancelled.id, TENANT);
      const before = await get(cancelled);
      assert.equal(await end(one, void1), false);
      assert.deepEqual(await get(cancelled), before);

      const lost = await admit();
      const void2 = await claimed(frail);
      const revoked = new Promise((resolve) => frail.claims.onRevoked(void2, resolve));
      await loseWorker();
      assert.equal(await revoked, 'lost');
      assert.equal(await end(frail, void2), false);
      assert.equal(await frail.claims.renew(void2), 'lost');
      const again = await claimed(two);
      assert.equal(again.job.id, lost.id);
      assert.equal(await end(frail, void2), false);
      assert.equal(await two.claims.complete(again, result()), true);
      assert.equal(await statusOf(api, lost), 'completed');
    });
  }

  it('fails the job after three workers were lost', async () => {
    const job = await admit();
    for (let attempt = 1; attempt <= 3; attempt++) {
      const claim = await claimed(frail);
      assert.equal(claim.job.attempts, attempt);
      assert.equal(claim.job.status, 'processing');
      await loseWorker(attempt < 3 ? 'requeued' : 'failed');
    }
    const { status, error, attempts } = await get(job);
    assert.deepEqual(
      { status, code: error?.code, attempts },
      {
        status: 'failed',
        code: 'ATTEMPTS_EXHAUSTED',
        attempts: 3,
      },
    );
    assert.equal(await one.claim(), undefined);
  });

  it('that moved a checkpoint makes up for workers that were lost before it', async () => {
    const job = await admit();
    const lose = async (frames: number | undefined, outcome: 'requeued' | 'failed') => {
      const claim = await claimed(frail);
      if (frames !== undefined) {
        assert.equal(await frail.claims.checkpointed(claim, { series: 'one', frames }), true);
      }
      await loseWorker(outcome);
      assert.equal(await frail.claims.checkpointed(claim, { series: 'one', frames: 9 }), false);
    };
    for (let count = 0; count < 2; count++) await lose(undefined, 'requeued');
    await lose(1, 'requeued');
    await lose(undefined, 'requeued');
    await lose(2, 'requeued');
    for (let count = 0; count < 2; count++) {
      await lose(2, count === 0 ? 'requeued' : 'failed');
    }
    const { error } = await get(job);
    assert.equal(error?.code, 'ATTEMPTS_EXHAUSTED');
    assert.match(error.message, /3 workers .* same point .*: choose a shorter segment/);
  });

  it('is not given more than 20 times, whatever progress it makes', async () => {
    const job = await admit();
    for (let frames = 1; frames <= 20; frames++) {
      const claim = await claimed(one);
      assert.equal(claim.job.attempts, frames);
      await one.claims.checkpointed(claim, { series: 'one', frames });
      assert.equal(await one.claims.giveUp(claim), true);
      assert.equal(await one.claims.giveUp(claim), false, 'it is void now');
    }
    assert.equal(await one.claim(), undefined);
    const { status, error } = await get(job);
    assert.equal(status, 'failed');
    assert.equal(error?.code, 'ATTEMPTS_EXHAUSTED');
    assert.match(error.message, /all 20 attempts .* Send it again/);
  });

  it('lasts while it is renewed, and a job handed back has lost no attempt', async () => {
    const job = await admit();
    const claim = await claimed(one);
    const leases = `${PREFIX}leases`;
    const leaseEnd = async () => Number(await api.connection.send(['ZSCORE', leases, job.id]));
    const end = await leaseEnd();
    await api.connection.send(['ZADD', leases, String(end - 10_000), job.id]);
    assert.equal(await one.claims.renew(claim), undefined);
    assert.ok((await leaseEnd()) >= end);
    assert.equal((await one.sweeper.sweep()).requeued, 0);
    await admit();
    assert.equal(await one.claims.handBack(claim), true);
    const { status, stage, attempts } = await get(job);
    assert.deepEqual(
      { status, stage, attempts },
      { status: 'processing', stage: 'waiting', attempts: 0 },
    );
    const again = await claimed(two);
    assert.equal(again.job.id, job.id, 'it is in front');
    assert.equal(again.job.attempts, 1);
  });

  it('makes progress forward only', async () => {
    const job = await admit();
    const claim = await claimed(one);
    for (const [progress, expected] of [
      [20, 20],
      [10, 20],
      [150, 100],
    ] as const) {
      assert.equal(await one.claims.progress(claim, { stage: 'separating', progress }), true);
      assert.equal((await get(job)).progress, expected);
    }
  });
});

describe('the lanes', () => {
  it('take turns by weight while both wait, and each by itself when the other is empty', async () => {
    const long: Job[] = [];
    const short: Job[] = [];
    for (let count = 0; count < 100; count++) {
      long.push(await admit({ costSeconds: 500 }));
      short.push(await admit({ costSeconds: 5 }));
    }
    const order: string[] = [];
    const isLong = new Set(long.map(({ id }) => id));
    for (let count = 0; count < 200; count++) {
      const claim = await claimed(one);
      order.push(isLong.has(claim.job.id) ? 'long' : 'short');
      await one.claims.complete(claim, result());
    }
    const firstTurns = order.slice(0, 132);
    for (let at = 0; at < firstTurns.length; at += 4) {
      const turn = firstTurns.slice(at, at + 4);
      assert.equal(turn.filter((lane) => lane === 'long').length, 1, `${at}: ${turn.join(' ')}`);
    }
    assert.equal(order.filter((lane) => lane === 'short').length, short.length);
    assert.equal(await one.claim(), undefined);
  });

  it('take up the one that fell too far behind', async () => {
    const strict = await queue.join({ agingMs: 20 });
    const long: Job[] = [];
    for (let count = 0; count < 3; count++) long.push(await admit({ costSeconds: 500 }));
    await until(() => Date.now() - long.at(-1)!.createdAt > 100);
    await Promise.all([0, 1, 2].map(() => admit({ costSeconds: 5 })));
    const order: string[] = [];
    for (let count = 0; count < 6; count++) order.push((await claimed(strict)).job.id);
    assert.deepEqual(
      order.slice(0, 3),
      long.map(({ id }) => id),
    );
  });

  it('give each client its turn', async () => {
    const of = (client: string, costSeconds = 30) => admit({ client, costSeconds });
    const order: string[] = [];
    const names = new Map<string, string>();
    const take = async () => {
      const { job } = await claimed(one);
      order.push(names.get(job.id)!);
    };
    for (let count = 1; count <= 30; count++) names.set((await of('a')).id, `a${String(count)}`);
    await take();
    names.set((await of('b', 3)).id, 'b1');
    await take();
    assert.deepEqual(order, ['a1', 'b1'], "the job of a new client is claimed before a's second");

    for (const client of ['c', 'd', 'e']) {
      for (const at of [1, 2]) names.set((await of(client)).id, `${client}${String(at)}`);
    }
    for (let count = 0; count < 8; count++) await take();
    assert.deepEqual(order.slice(2), ['a2', 'c1', 'd1', 'e1', 'a3', 'c2', 'd2', 'e2']);
  });

  it('let nobody wait for more than a turn of each client, however many clients come', async () => {
    const old = [await admit({ client: 'old' }), await admit({ client: 'old' })];
    assert.equal((await claimed(one)).job.id, old[0]!.id);
    for (let count = 0; count < 5; count++) await admit({ client: `early-${String(count)}` });
    let claims = 0;
    for (let found = false; !found; claims++) {
      found = (await claimed(one)).job.id === old[1]!.id;
      await admit({ client: `late-${String(claims)}` });
    }
    assert.equal(claims, 6);
  });

  it('take no turn of a new client for the age of the jobs of another', async () => {
    const strict = await queue.join({ agingMs: 20 });
    const old = [
      await admit({ client: 'a', costSeconds: 500 }),
      await admit({ client: 'a', costSeconds: 500 }),
    ];
    await until(() => Date.now() - old.at(-1)!.createdAt > 100);
    const young = await admit({ client: 'b', costSeconds: 3 });
    const ids = [(await claimed(strict)).job.id, (await claimed(strict)).job.id];
    assert.ok(ids.includes(young.id));
  });

  it('give the models of one client their jobs in order', async () => {
    await api.workers.announce(worker('big', { models: [model('big'), model('toy')] }));
    const ids: string[] = [];
    for (const name of ['toy', 'big', 'toy', 'big', 'big', 'toy']) {
      ids.push((await admit({ options: { model: name } })).id);
    }
    const order: string[] = [];
    for (const _ of ids) order.push((await claimed(one, 'big')).job.id);
    assert.deepEqual(order, ids);
    await api.workers.withdraw('big');
  });

  it('give a worker only jobs for models that it has', async () => {
    await api.workers.announce(worker('big', { models: [model('big'), model('toy')] }));
    const big = await admit({ options: { model: 'big' } });
    const toy = await admit();
    assert.equal((await claimed(one)).job.id, toy.id);
    assert.equal(await one.claim('worker'), undefined);
    assert.equal(await one.claim('never heard of'), undefined);
    assert.equal((await claimed(one, 'big')).job.id, big.id);
    await api.workers.withdraw('big');
  });
});

describe('equal jobs', () => {
  it('are computed once, one after the other also when the first fails', async () => {
    const jobs = await Promise.all([0, 1, 2].map(() => admit({ sha256: 'same' })));
    const different = await admit({ sha256: 'same', options: { format: 'flac' } });
    const first = await claimed(one);
    assert.equal((await claimed(two)).job.id, different.id, 'the others are passed over');
    assert.equal(await two.claim(), undefined);
    assert.deepEqual((await api.jobs.counts()).pending, 2);

    assert.equal(await one.claims.fail(first, { code: 'INTERNAL', message: '' }), true);
    const second = await claimed(two);
    assert.equal(second.cached, undefined);
    assert.equal(await one.claim(), undefined);
    assert.equal(await two.claims.complete(second, result('shared')), true);

    const third = await claimed(one);
    assert.equal(third.cached?.id, 'shared');
    assert.equal(third.cacheKey, second.cacheKey);
    assert.equal(await one.claims.complete(third, third.cached), true);
    const states = await Promise.all(jobs.map(get));
    assert.deepEqual(
      states.map(({ status, cached, result }) => [status, cached, result?.id]).sort(),
      [
        ['completed', false, 'shared'],
        ['completed', true, 'shared'],
        ['failed', false, undefined],
      ],
    );
  });

  it('are equal only by all that decides the bytes', async () => {
    const first = await admit({ sha256: 'a' });
    await one.claims.complete(await claimed(one), result());
    const cachedFor = async (overrides: Parameters<typeof admission>[0], runtime = 'cpu/2') => {
      await admit({ sha256: 'a', ...overrides });
      const claim = (await one.claims.claim('worker', runtime))!;
      await one.claims.fail(claim, { code: 'INTERNAL', message: '' });
      return claim.cached !== undefined;
    };
    assert.equal(first.cached, false);
    assert.equal(await cachedFor({}), true);
    assert.equal(await cachedFor({ options: { seed: 1 } }), true, 'no shifts, no chance');
    assert.equal(await cachedFor({ options: { shifts: 1, seed: 1 } }), false);
    assert.equal(await cachedFor({ sha256: 'b' }), false);
    assert.equal(await cachedFor({ options: { stems: ['vocals'] } }), false);
    assert.equal(await cachedFor({}, 'cuda'), false);
    await api.workers.announce(worker('worker', { models: [model('toy', { hash: 'other' })] }));
    assert.equal(await cachedFor({}), false);
    await api.workers.announce(worker('worker'));
    assert.equal(await cachedFor({}), true);
  });

  it('do not get what another model has made, which came between claim and work', async () => {
    await admit({ sha256: 'replaced' });
    assert.equal(await one.claims.complete(await claimed(one), result(), 'another hash'), true);
    await admit({ sha256: 'replaced' });
    const claim = await claimed(one);
    assert.equal(claim.cached, undefined);
    assert.equal(await one.claims.complete(claim, result(), claim.modelHash), true);
    await admit({ sha256: 'replaced' });
    const third = await claimed(one);
    assert.notEqual(third.cached, undefined);
    await one.claims.complete(third, third.cached!);
  });

  it('wait no longer for one whose worker was lost, was cancelled or gave it back', async () => {
    const jobs = await Promise.all([0, 1, 2, 3].map(() => admit({ sha256: 'same' })));
    const lost = await claimed(frail);
    assert.equal(await one.claim(), undefined);
    await loseWorker();
    const back = await claimed(one);
    assert.equal(back.job.id, lost.job.id);
    assert.equal(await two.claim(), undefined);
    assert.equal(await one.claims.handBack(back), true);
    const cancelled = await claimed(two);
    assert.equal(await one.claim(), undefined);
    await api.jobs.cancelOrRemove(cancelled.job.id, TENANT);
    const next = await claimed(one);
    assert.equal(await one.claims.complete(next, result()), true);
    for (let count = 0; count < 2; count++) {
      const claim = await claimed(two);
      assert.equal(await two.claims.complete(claim, claim.cached!), true);
    }
    assert.deepEqual((await Promise.all(jobs.map((job) => statusOf(api, job)))).sort(), [
      'cancelled',
      'completed',
      'completed',
      'completed',
    ]);
  });

  it('of another tenant are computed by themselves', async () => {
    await admit({ sha256: 'same' });
    await api.jobs.admit(admission({ sha256: 'same', tenant: 'another' }));
    const claims = [await claimed(one), await claimed(two)];
    assert.equal(new Set(claims.map(({ cacheKey }) => cacheKey)).size, 2);
    for (const claim of claims) await one.claims.complete(claim, result());
  });
});
