/** What listeners are promised: the state, then every change, up to the end, across interruptions. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Job, JobEvent } from '../../src/jobs/job.js';
import { admission, claimed, result, startQueue, TENANT, worker } from './harness.js';
import { until } from '../support/until.js';

const queue = await startQueue({ after }, { timing: { progressMs: 0 } });
const [api, one] = await Promise.all([queue.join(), queue.join()]);
const calm = await queue.join({ progressMs: 60_000 });
await api.workers.announce(worker('worker'));

const admit = async (): Promise<Job> => (await api.jobs.admit(admission())).job;

/** Collects events until they end. */
async function listen(job: Job, after?: string, signal = new AbortController().signal) {
  const events = await api.jobs.events(job.id, TENANT, { after, signal });
  const seen: JobEvent[] = [];
  const end = (async () => {
    for await (const event of events!) seen.push(event);
    return seen;
  })();
  return { seen, end };
}

const brief = (events: readonly JobEvent[]) =>
  events.map(({ status, stage, progress }) => `${status} ${stage} ${progress}`);

describe('events', () => {
  it('tell the state first, then what happens, and end with the job', async () => {
    const job = await admit();
    const early = await listen(job);
    await until(() => early.seen.length === 1);
    const claim = await claimed(one);
    await one.claims.progress(claim, { stage: 'separating', progress: 40 });
    await until(() => early.seen.length === 3);
    const late = await listen(job);
    await until(() => late.seen.length === 1);
    await one.claims.fail(claim, { code: 'INPUT_NOT_AUDIO', message: 'no' });

    assert.deepEqual(brief(await early.end), [
      'pending waiting 0',
      'processing loading 0',
      'processing separating 40',
      'failed done 40',
    ]);
    assert.deepEqual(early.seen.at(-1)?.error, { code: 'INPUT_NOT_AUDIO', message: 'no' });
    assert.deepEqual(brief(await late.end), ['processing separating 40', 'failed done 40']);
    assert.deepEqual(late.seen, early.seen.slice(2), 'ids and times are the same for all');
    assert.deepEqual(await (await listen(job)).end, early.seen.slice(3), 'when all is over');
  });

  it('of a pending job tell its place, and again when that changes', async () => {
    const first = await admit();
    const second = await admit();
    const { seen, end } = await listen(second);
    await until(() => seen.length === 1);
    await api.jobs.cancelOrRemove(first.id, TENANT);
    await until(() => seen.length === 2);
    assert.deepEqual(
      seen.map(({ place }) => place?.position),
      [2, 1],
    );
    assert.equal(seen[1]!.id, seen[0]!.id, 'it is no event of its own');
    await api.jobs.cancelOrRemove(second.id, TENANT);
    assert.deepEqual(brief((await end).slice(2)), ['cancelled done 0']);
  });

  it('let go of the feed when a listener leaves', async () => {
    const job = await admit();
    const events = await api.jobs.events(job.id, TENANT, { signal: new AbortController().signal });
    for await (const event of events!) {
      assert.equal(event.status, 'pending');
      break;
    }
    await api.jobs.cancelOrRemove(job.id, TENANT);
  });

  it('go on after the last one seen, and from the state when that is not known', async () => {
    const job = await admit();
    const whole = await listen(job);
    const claim = await claimed(one);
    for (const progress of [10, 20, 30]) {
      await one.claims.progress(claim, { stage: 'separating', progress });
      await until(() => whole.seen.at(-1)?.progress === progress);
    }
    const resumed = await listen(job, whole.seen[2]!.id);
    await one.claims.complete(claim, result());
    await whole.end;
    assert.deepEqual(await resumed.end, whole.seen.slice(3));
    for (const unknown of ['nonsense', '99999999999999-0', '']) {
      assert.deepEqual(await (await listen(job, unknown)).end, whole.seen.slice(-1), unknown);
    }
    assert.deepEqual(await (await listen(job, whole.seen.at(-1)!.id)).end, []);
  });

  it('end when the listener leaves and when the job is removed', async () => {
    const job = await admit();
    const leaving = new AbortController();
    const left = await listen(job, undefined, leaving.signal);
    await until(() => left.seen.length === 1);
    leaving.abort();
    await left.end;

    const stays = await listen(job);
    await api.jobs.cancelOrRemove(job.id, TENANT);
    assert.deepEqual(brief(await stays.end), ['pending waiting 0', 'cancelled done 0']);
    await api.jobs.cancelOrRemove(job.id, TENANT);
    const { signal } = new AbortController();
    assert.equal(await api.jobs.events(job.id, TENANT, { signal }), undefined);
  });

  it('are no longer heard for one who left before taking any', async () => {
    const job = await admit();
    const channels = async () =>
      (await api.connection.send(['PUBSUB', 'CHANNELS', `*${job.id}`])) as string[];
    const leaving = new AbortController();
    await api.jobs.events(job.id, TENANT, { signal: leaving.signal });
    assert.equal((await channels()).length, 1);
    leaving.abort();
    await until(async () => (await channels()).length === 0, 'the end of the subscription');
    await api.jobs.events(job.id, TENANT, { signal: leaving.signal });
    await until(async () => (await channels()).length === 0, 'the end of the other one');
    await api.jobs.cancelOrRemove(job.id, TENANT);
  });

  it('are few for a listener who takes none, and of progress the newest', async () => {
    const job = await admit();
    const { signal } = new AbortController();
    const slow = (await api.jobs.events(job.id, TENANT, { signal }))![Symbol.asyncIterator]();
    assert.equal(((await slow.next()).value as JobEvent).status, 'pending');
    const fast = await listen(job);
    const claim = await claimed(one);
    for (let progress = 1; progress <= 99; progress++) {
      await one.claims.progress(claim, { stage: 'separating', progress });
    }
    await one.claims.complete(claim, result());
    await fast.end;
    const rest: JobEvent[] = [];
    for (let next = await slow.next(); !next.done; next = await slow.next()) rest.push(next.value);
    assert.deepEqual(brief(rest), [
      'processing loading 0',
      'processing separating 99',
      'completed done 100',
    ]);
  });

  it('of progress come no oftener than they are wanted, though the record has it all', async () => {
    const job = await admit();
    const all = await listen(job);
    const claim = await claimed(calm);
    for (const progress of [1, 2, 3]) {
      await calm.claims.progress(claim, { stage: 'separating', progress });
    }
    assert.equal((await api.jobs.get(job.id, TENANT))?.progress, 3);
    await calm.claims.complete(claim, result());
    assert.deepEqual(brief(await all.end), [
      'pending waiting 0',
      'processing loading 0',
      'processing separating 1',
      'completed done 100',
    ]);
  });

  it('reach a thousand listeners of one process over one connection', async () => {
    const jobs = await Promise.all(Array.from({ length: 100 }, () => admit()));
    const listeners = await Promise.all(
      Array.from({ length: 1000 }, (_, at) => listen(jobs[at % jobs.length]!)),
    );
    const clients = String(await api.connection.send(['CLIENT', 'LIST', 'TYPE', 'pubsub']));
    assert.ok(clients.trim().split('\n').length <= 4, clients);
    await Promise.all(jobs.map(({ id }) => api.jobs.cancelOrRemove(id, TENANT)));
    for (const { end } of listeners) assert.equal((await end).at(-1)?.status, 'cancelled');
    const left = (await api.connection.send(['PUBSUB', 'CHANNELS', '*events*'])) as string[];
    await until(
      async () =>
        ((await api.connection.send(['PUBSUB', 'CHANNELS', '*events*'])) as string[]).length === 0,
      `the end of ${left.length} subscriptions`,
    );
  });
});
