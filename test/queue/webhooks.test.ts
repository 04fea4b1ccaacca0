/** The ends of jobs that are to be told: when they fall due, to whom, and until when. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { PREFIX } from '../../src/queue/keys.js';
import type { Job } from '../../src/jobs/job.js';
import { createDeliveries } from '../../src/queue/deliveries.js';
import { admission, claimed, result, startQueue, TENANT, worker } from './harness.js';
import { until } from '../support/until.js';

const URL = 'https://example.org/hook';
/** Milliseconds that no test lasts. */
const LEASE_MS = 3_600_000;
const DAY = 86_400_000;

const queue = await startQueue({ after });
const [api, one, other] = await Promise.all([queue.join(), queue.join(), queue.join()]);
await api.workers.announce(worker('worker'));
const [mine, theirs] = [one, other].map(({ connection }) =>
  createDeliveries(connection, { leaseMs: LEASE_MS }),
) as [ReturnType<typeof createDeliveries>, ReturnType<typeof createDeliveries>];

async function admit(): Promise<Job> {
  return (await api.jobs.admit({ ...admission(), callbackUrl: URL })).job;
}

/** As if the lease or the wait of a delivery was over. */
const passTime = ({ id }: Job) => api.connection.send(['ZADD', `${PREFIX}webhooks`, 'XX', '1', id]);

const stateOf = async ({ id }: Job) => (await api.jobs.get(id, TENANT))?.webhook;

const due = async (deliveries = mine) => {
  const { claim } = await deliveries.claim();
  assert.ok(claim, 'nothing is due');
  return claim;
};

const WRONG = { state: 'pending', status: 500, error: 'the receiver answered 500' } as const;
const RIGHT = { state: 'delivered', status: 204, error: null } as const;

describe('the end of a job', () => {
  it('is to be told when it has come, however it came, and once', async () => {
    const jobs = [await admit(), await admit(), await admit()];
    const quiet = (await api.jobs.admit(admission())).job;
    assert.equal(quiet.webhook, null);
    assert.deepEqual(jobs[0]!.webhook, {
      url: URL,
      status: 'pending',
      attempts: 0,
      lastAttemptAt: null,
      nextAttemptAt: null,
      lastStatus: null,
      lastError: null,
    });
    assert.deepEqual(await mine.claim(), { claim: undefined, waiting: 0, nextMs: undefined });

    await one.claims.complete(await claimed(one), result());
    await one.claims.fail(await claimed(one), { code: 'INPUT_NOT_AUDIO', message: 'no' });
    await api.jobs.cancelOrRemove(jobs[2]!.id, TENANT);
    await api.jobs.cancelOrRemove(quiet.id, TENANT);

    const ends = [];
    for (const waiting of [3, 2, 1]) {
      const found = await mine.claim();
      assert.equal(found.waiting, waiting);
      assert.ok(found.claim);
      assert.equal(found.claim.url, URL);
      assert.equal(found.claim.job.webhook!.attempts, 1);
      ends.push(found.claim.job.status);
      assert.equal(await mine.settle(found.claim, RIGHT, DAY), 'delivered');
    }
    assert.deepEqual(ends.toSorted(), ['cancelled', 'completed', 'failed']);
    assert.equal((await mine.claim()).waiting, 0);
    const state = (await stateOf(jobs[1]!))!;
    assert.equal(state.status, 'delivered');
    assert.equal(state.lastStatus, 204);
    assert.equal(state.lastError, null);
    assert.equal(state.nextAttemptAt, null);
    assert.ok(state.lastAttemptAt! >= jobs[1]!.createdAt);
  });

  it('is told again after a wait, until it is told or the time for it is over', async () => {
    const job = await admit();
    await api.jobs.cancelOrRemove(job.id, TENANT);
    const first = await due();
    assert.equal(await mine.settle(first, { ...WRONG, delayMs: LEASE_MS }, DAY), 'pending');
    const state = (await stateOf(job))!;
    assert.equal(state.status, 'pending');
    assert.equal(state.lastStatus, 500);
    assert.equal(state.lastError, WRONG.error);
    assert.ok(state.nextAttemptAt! > state.lastAttemptAt!);
    const { claim, nextMs } = await mine.claim();
    assert.equal(claim, undefined);
    assert.ok(nextMs! > 0 && nextMs! <= LEASE_MS);

    await passTime(job);
    const second = await due(theirs);
    assert.equal(second.job.webhook!.attempts, 2);
    assert.equal(await theirs.settle(second, { ...WRONG, delayMs: DAY }, DAY), 'failed');
    assert.equal((await stateOf(job))!.status, 'failed');
    assert.equal((await mine.claim()).waiting, 0);
  });

  it('is told by another when one is not heard of, whose word then counts no more, but for success', async () => {
    const job = await admit();
    await api.jobs.cancelOrRemove(job.id, TENANT);
    const lost = await due(mine);
    assert.equal((await theirs.claim()).claim, undefined, 'two at a time');
    await passTime(job);
    const taken = await due(theirs);
    assert.equal(taken.job.webhook!.attempts, 2);
    assert.equal(await mine.settle(lost, { ...WRONG, state: 'failed' }, DAY), 'void');
    assert.equal((await stateOf(job))!.status, 'pending');
    assert.equal(await mine.settle(lost, RIGHT, DAY), 'delivered');
    assert.equal(await theirs.settle(taken, { ...WRONG, delayMs: 10 }, DAY), 'void');
    assert.equal((await stateOf(job))!.status, 'delivered');
    assert.equal((await mine.claim()).waiting, 0);
  });

  it('is told no more when the job was removed', async () => {
    const job = await admit();
    await api.jobs.cancelOrRemove(job.id, TENANT);
    const claim = await due();
    assert.equal(await api.jobs.cancelOrRemove(job.id, TENANT), 'removed');
    assert.equal(await mine.settle(claim, { ...WRONG, delayMs: 1 }, DAY), 'void');
    assert.equal((await mine.claim()).waiting, 0);
    assert.equal(await stateOf(job), undefined);
  });

  it('is told until its record goes', async () => {
    const brief = await startQueue({ after }, { jobTtl: 1 });
    const member = await brief.join();
    const { job } = await member.jobs.admit({ ...admission(), callbackUrl: URL });
    await member.jobs.cancelOrRemove(job.id, TENANT);
    const deliveries = createDeliveries(member.connection);
    const { claim } = await deliveries.claim();
    await deliveries.settle(claim!, { ...WRONG, delayMs: 60_000 }, DAY);
    await until(async () => (await member.sweeper.sweep()).removed === 1);
    assert.deepEqual(await deliveries.claim(), { claim: undefined, waiting: 0, nextMs: undefined });
  });

  it('does not depend on where it is told: equal songs share one result', async () => {
    const sha256 = 'c'.repeat(64);
    const options = { seed: 1 };
    const told = { ...admission({ sha256, options }), callbackUrl: URL };
    const first = (await api.jobs.admit(told)).job;
    await one.claims.complete(await claimed(one), result());
    const second = (
      await api.jobs.admit({ ...admission({ sha256, options }), callbackUrl: `${URL}/other` })
    ).job;
    const claim = await claimed(one);
    assert.equal(claim.job.id, second.id);
    assert.ok(claim.cached);
    await one.claims.complete(claim, claim.cached);
    const urls = new Map([
      [first.id, URL],
      [second.id, `${URL}/other`],
    ]);
    for (let at = 0; at < 2; at++) {
      const delivery = await due();
      assert.equal(delivery.url, urls.get(delivery.job.id));
      assert.equal(await mine.settle(delivery, RIGHT, DAY), 'delivered');
    }
  });
});
