/** What the API promises about jobs. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ANY_TENANT, type JobQuery } from '../../src/jobs/ports.js';
import { admission, claimed, result, startQueue, statusOf, TENANT, worker } from './harness.js';

const queue = await startQueue({ after });
const [api, other] = await Promise.all([queue.join(), queue.join()]);
await api.workers.announce(worker('worker'));

describe('jobs', () => {
  it('are kept as they were admitted', async () => {
    const asked = admission({ costSeconds: 3.5, estimatedSeconds: 7.25, requestId: 'r-1' });
    const { job, replayed } = await api.jobs.admit(asked);
    assert.equal(replayed, false);
    const place = { position: 1, etaSeconds: 0 };
    assert.deepEqual(await other.jobs.get(asked.id, TENANT), { ...job, place });
    const { createdAt, updatedAt, ...rest } = job;
    assert.equal(createdAt, updatedAt);
    assert.ok(Math.abs(createdAt - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      id: asked.id,
      tenant: TENANT,
      status: 'pending',
      stage: 'waiting',
      progress: 0,
      attempts: 0,
      startedAt: null,
      finishedAt: null,
      estimatedSeconds: 7.25,
      requestId: 'r-1',
      clientReference: null,
      request: asked.request,
      error: null,
      result: null,
      warnings: null,
      cached: false,
      playback: null,
      chunksReady: 0,
      trace: null,
      webhook: null,
    });
    assert.equal(await api.jobs.cancelOrRemove(asked.id, TENANT), 'cancelled');
  });

  it('have a place in the queue while they wait', async () => {
    const slots = worker('worker').concurrency;
    const waiting: string[] = [];
    for (let count = 0; count < slots + 2; count++) {
      waiting.push((await api.jobs.admit(admission({ costSeconds: 10 }))).job.id);
    }
    const places = async () =>
      Promise.all(waiting.map(async (id) => (await api.jobs.get(id, TENANT))?.place));
    const free = Array.from({ length: slots }, (_, at) => ({ position: at + 1, etaSeconds: 0 }));
    assert.deepEqual(await places(), [
      ...free,
      { position: slots + 1, etaSeconds: slots * 10 },
      { position: slots + 2, etaSeconds: (slots + 1) * 10 },
    ]);
    const listed = (await api.jobs.list(TENANT, { limit: 100 })).jobs;
    const last = listed.find(({ id }) => id === waiting.at(-1));
    assert.equal(last?.place?.position, slots + 2);

    assert.equal(await api.jobs.cancelOrRemove(waiting.shift()!, TENANT), 'cancelled');
    assert.deepEqual((await places()).at(-1), { position: slots + 1, etaSeconds: slots * 10 });
    for (const id of waiting) await api.jobs.cancelOrRemove(id, TENANT);
    assert.equal((await api.jobs.get(waiting[0]!, TENANT))?.place, undefined);
  });

  it('are of one tenant', async () => {
    const { job } = await api.jobs.admit(admission({ tenant: 'a' }));
    assert.equal(await api.jobs.get(job.id, 'b'), undefined);
    assert.equal(await api.jobs.cancelOrRemove(job.id, 'b'), undefined);
    const { signal } = new AbortController();
    assert.equal(await api.jobs.events(job.id, 'b', { signal }), undefined);
    assert.deepEqual((await api.jobs.list('b', { limit: 10 })).jobs, []);
    assert.equal(await api.jobs.cancelOrRemove(job.id, 'a'), 'cancelled');
  });

  it('are one per idempotency key, however many ask at once', async () => {
    const asked = (fingerprint: string, tenant = TENANT) =>
      api.jobs.admit(admission({ tenant, idempotency: { key: 'key', fingerprint } }));
    const all = await Promise.all(Array.from({ length: 10 }, () => asked('same')));
    const ids = new Set(all.map(({ job }) => job.id));
    assert.equal(ids.size, 1);
    assert.equal(all.filter(({ replayed }) => !replayed).length, 1);
    await assert.rejects(asked('another'), { code: 'IDEMPOTENCY_CONFLICT' });
    const [id = ''] = ids;
    const { job: theirs } = await asked('same', 'another tenant');
    assert.notEqual(theirs.id, id);
    await api.jobs.cancelOrRemove(theirs.id, 'another tenant');

    // The key goes with the record.
    assert.equal(await api.jobs.cancelOrRemove(id, TENANT), 'cancelled');
    assert.equal((await asked('same')).job.status, 'cancelled');
    assert.equal(await api.jobs.cancelOrRemove(id, TENANT), 'removed');
    const anew = await asked('another');
    assert.equal(anew.replayed, false);
    await api.jobs.cancelOrRemove(anew.job.id, TENANT);
  });

  it('of any cost are taken, and hold up no other', async () => {
    // What 100 shifts at an overlap next to 1 come to.
    const { job: endless } = await api.jobs.admit(admission({ costSeconds: 4e20 }));
    assert.equal((await claimed(other)).job.id, endless.id);
    assert.ok(Number.isFinite(await api.jobs.waitSeconds(4e20)));
    assert.equal(await api.jobs.cancelOrRemove(endless.id, TENANT), 'cancelled');
    const { job } = await api.jobs.admit(admission());
    assert.equal((await claimed(other)).job.id, job.id);
    assert.equal(await api.jobs.cancelOrRemove(job.id, TENANT), 'cancelled');
  });

  it('are listed newest first, page by page, also while others come and go', async () => {
    const tenant = 'lister';
    const ids: string[] = [];
    for (let count = 0; count < 7; count++) {
      ids.unshift((await api.jobs.admit(admission({ tenant }))).job.id);
    }
    const cancelled = [ids[1]!, ids[4]!];
    for (const id of cancelled) await api.jobs.cancelOrRemove(id, tenant);

    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await other.jobs.list(tenant, { limit: 3, cursor });
      listed.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor;
      await api.jobs.admit(admission({ tenant }));
    } while (cursor !== undefined);
    assert.deepEqual(listed, ids);

    const some = await api.jobs.list(tenant, { limit: 10, status: 'cancelled' });
    assert.deepEqual(
      some.jobs.map(({ id, status }) => ({ id, status })),
      cancelled.map((id) => ({ id, status: 'cancelled' })),
    );
    assert.equal(some.nextCursor, undefined);
    for (const bad of ['', '!', 'MQ', Buffer.from('j1x').toString('base64url')]) {
      await assert.rejects(api.jobs.list(tenant, { limit: 1, cursor: bad }), {
        code: 'REQUEST_INVALID',
      });
    }
    for (const { id } of (await api.jobs.list(tenant, { limit: 100, status: 'pending' })).jobs) {
      await api.jobs.cancelOrRemove(id, tenant);
    }
  });

  it('are listed by the reference of the client, each tenant its own', async () => {
    const admitted = async (tenant: string, clientReference?: string) =>
      (await api.jobs.admit(admission({ tenant, clientReference }))).job.id;
    const order = 'order: 66 \u{1f3b5}';
    const first = await admitted('shop', order);
    const others = [await admitted('shop', 'order'), await admitted('shop')];
    const theirs = await admitted('rival', order);
    const second = await admitted('shop', order);
    await api.jobs.cancelOrRemove(first, 'shop');

    const listed = async (tenant: string, query: Partial<JobQuery>) => {
      const { jobs, nextCursor } = await other.jobs.list(tenant, { limit: 10, ...query });
      return { ids: jobs.map(({ id }) => id), nextCursor };
    };
    const clientReference = order;
    assert.deepEqual((await listed('shop', { clientReference })).ids, [second, first]);
    assert.deepEqual((await listed('rival', { clientReference })).ids, [theirs]);
    assert.deepEqual((await listed('shop', { clientReference: 'orde' })).ids, []);
    assert.deepEqual((await listed(ANY_TENANT, { clientReference })).ids, [second, theirs, first]);
    const pending = { clientReference, status: 'pending' as const };
    assert.deepEqual((await listed('shop', pending)).ids, [second]);
    const page = await listed('shop', { clientReference, limit: 1 });
    assert.deepEqual(page.ids, [second]);
    const next = await listed('shop', { clientReference, limit: 1, cursor: page.nextCursor });
    assert.deepEqual(next, { ids: [first], nextCursor: undefined });

    // The lists go with the jobs.
    await api.jobs.cancelOrRemove(theirs, 'rival');
    for (const id of [...others, second]) await api.jobs.cancelOrRemove(id, 'shop');
    for (const id of [first, second]) await api.jobs.cancelOrRemove(id, 'shop');
    await api.jobs.cancelOrRemove(theirs, 'rival');
    assert.deepEqual(await api.connection.send(['KEYS', `*${order}`]), []);
  });

  it('are cancelled while they wait or run, and removed when they have ended', async () => {
    const { job: waiting } = await api.jobs.admit(admission());
    assert.deepEqual(await api.jobs.counts(), { pending: 1, processing: 0 });
    assert.equal(await api.jobs.cancelOrRemove(waiting.id, TENANT), 'cancelled');
    assert.equal(await other.claim(), undefined);

    const { job: running } = await api.jobs.admit(admission());
    const claim = await claimed(other);
    assert.deepEqual(await api.jobs.counts(), { pending: 0, processing: 1 });
    const revoked = new Promise((resolve) => other.claims.onRevoked(claim, resolve));
    assert.equal(await api.jobs.cancelOrRemove(running.id, TENANT), 'cancelled');
    assert.equal(await revoked, 'cancelled');
    assert.equal(await other.claims.renew(claim), 'cancelled');
    assert.equal(await other.claims.complete(claim, result()), false);
    assert.equal(await statusOf(api, running), 'cancelled');

    const { job: done } = await api.jobs.admit(admission());
    assert.equal(await other.claims.complete(await claimed(other), result()), true);
    assert.deepEqual(await api.jobs.counts(), { pending: 0, processing: 0 });
    for (const { id } of [waiting, running, done]) {
      assert.equal(await api.jobs.cancelOrRemove(id, TENANT), 'removed');
      assert.equal(await api.jobs.get(id, TENANT), undefined);
      assert.equal(await api.jobs.cancelOrRemove(id, TENANT), undefined);
    }
    // A worker that has not heard of it yet.
    assert.equal(await other.claims.renew(claim), 'cancelled');
  });

  it('begin later the more work there is before them', async () => {
    assert.equal(await api.jobs.waitSeconds(10), 0);
    const ids: string[] = [];
    const admit = async (costSeconds: number) =>
      void ids.push((await api.jobs.admit(admission({ costSeconds }))).job.id);
    await admit(40);
    const claim = await claimed(other);
    assert.equal(await api.jobs.waitSeconds(10), 40);
    await other.claims.progress(claim, { stage: 'separating', progress: 75 });
    assert.equal(await api.jobs.waitSeconds(10), 10);
    for (const cost of [20, 20, 20, 600, 600]) await admit(cost);
    // A short one waits for the short ones and a third as many long ones.
    assert.equal(await api.jobs.waitSeconds(10), 10 + 60 + 600);
    // A long one for the long ones and all short ones.
    assert.equal(await api.jobs.waitSeconds(1000), 10 + 60 + 1200);
    await api.workers.announce(worker('second'));
    assert.equal(await api.jobs.waitSeconds(1000), (10 + 60 + 1200) / 2);
    await api.workers.announce(worker('third', { concurrency: 8 }));
    assert.equal(await api.jobs.waitSeconds(1000), 0);
    for (const id of ids) await api.jobs.cancelOrRemove(id, TENANT);
    for (const id of ['second', 'third']) await api.workers.withdraw(id);
    assert.equal(await api.jobs.waitSeconds(10), 0);
  });
});
