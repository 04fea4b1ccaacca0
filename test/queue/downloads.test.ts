/** What jobs are promised whose song is still behind a link. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import type { Job } from '../../src/jobs/job.js';
import type { DownloadedSong } from '../../src/jobs/ports.js';
import { PREFIX } from '../../src/queue/keys.js';
import { admission, claimed, result, startQueue, statusOf, TENANT, worker } from './harness.js';
import { until } from '../support/until.js';

const URL = 'https://www.youtube.com/watch?v=abcdefghijk';
const LEASE = 100;
const MODEL = {
  sampleRate: 44_100,
  segment: 343_980,
  minLength: 343_980,
  realtimeFactor: 2,
};
const COST = { costSeconds: 400, progress: 2 };
const queue = await startQueue({ after });
const [api, one] = await Promise.all([queue.join(), queue.join()]);
/** A downloader that is soon believed dead. */
const frail = await queue.join({ leaseMs: LEASE });
await api.workers.announce(worker('worker'));

const admit = async (): Promise<Job> => {
  const asked = admission();
  const source = {
    kind: 'youtube' as const,
    url: URL,
    key: null,
    name: URL,
    sha256: null,
    sizeBytes: null,
    durationSeconds: null,
    model: MODEL,
  };
  return (await api.jobs.admit({ ...asked, request: { ...asked.request, source } })).job;
};
const get = async ({ id }: Job): Promise<Job> => (await api.jobs.get(id, TENANT))!;
const song = (id: string, overrides: Partial<DownloadedSong> = {}): DownloadedSong => ({
  key: `uploads/${id}/first`,
  name: 'A title',
  sha256: 'a'.repeat(64),
  sizeBytes: 1000,
  durationSeconds: 200,
  ...overrides,
});
const take = async (member = one) => {
  const claim = await member.downloads.claim('worker');
  assert.ok(claim);
  return claim;
};

afterEach(async () => {
  for (const { id } of (await api.jobs.list(TENANT, { limit: 1000 })).jobs) {
    await api.jobs.cancelOrRemove(id, TENANT);
    await api.jobs.cancelOrRemove(id, TENANT);
  }
  assert.equal(await one.downloads.claim('worker'), undefined);
  assert.deepEqual(await api.connection.send(['KEYS', `${PREFIX}leases*`]), []);
});

describe('a job with a link', () => {
  it('is downloaded first, and then in the lane of its model with all that is known now', async () => {
    const job = await admit();
    assert.equal(job.status, 'pending');
    assert.equal(await one.claim(), undefined, 'there is nothing to separate yet');
    assert.equal(await api.jobs.waitSeconds(1), 0, 'it holds up no other');

    const claim = await take();
    assert.equal(claim.job.id, job.id);
    assert.equal(claim.attempt, 1);
    const { status, stage, startedAt } = await get(job);
    assert.deepEqual({ status, stage }, { status: 'processing', stage: 'downloading' });
    assert.ok(startedAt !== null);
    assert.ok(await one.downloads.progress(claim, { stage: 'downloading', progress: 1.5 }));

    assert.equal(await one.downloads.downloaded(claim, song(job.id), COST), true);
    assert.equal(await one.downloads.downloaded(claim, song(job.id), COST), true, 'told again');
    assert.equal(
      await one.downloads.downloaded(claim, song(job.id, { key: `uploads/${job.id}/late` }), COST),
      false,
    );
    const waiting = await get(job);
    assert.deepEqual(
      { status: waiting.status, stage: waiting.stage, progress: waiting.progress },
      { status: 'processing', stage: 'waiting', progress: 2 },
    );
    assert.deepEqual(waiting.request.source, {
      kind: 'youtube',
      url: URL,
      model: MODEL,
      ...song(job.id),
    });
    assert.equal(await api.connection.send(['HGET', `${PREFIX}queued`, 'long']), '400000');

    const work = await claimed(one);
    assert.equal(work.job.id, job.id);
    assert.equal(work.job.attempts, 1);
    assert.equal(work.job.progress, 2, 'progress never goes back');
    assert.equal(await one.claims.complete(work, result()), true);
  });

  it('has the result of an equal song at once', async () => {
    const first = await admit();
    await one.downloads.downloaded(await take(), song(first.id), COST);
    assert.equal(await one.claims.complete(await claimed(one), result('shared')), true);
    const second = await admit();
    await one.downloads.downloaded(await take(), song(second.id), COST);
    const again = await claimed(one);
    assert.equal(again.cached?.id, 'shared');
    assert.equal(await one.claims.complete(again, again.cached), true);
  });

  it('is taken up in turn, by one', async () => {
    const jobs = [await admit(), await admit()];
    const claims = await Promise.all(
      Array.from({ length: 6 }, () => one.downloads.claim('worker')),
    );
    assert.deepEqual(
      claims.flatMap((claim) => claim?.job.id ?? []).sort(),
      jobs.map(({ id }) => id).sort(),
    );
  });

  it('is cancelled at once, and what was downloaded goes', async () => {
    const job = await admit();
    const claim = await take();
    const told = new Promise((resolve) => one.downloads.onRevoked(claim, resolve));
    await one.downloads.renew(claim);
    assert.equal(await api.jobs.cancelOrRemove(job.id, TENANT), 'cancelled');
    assert.equal(await told, 'cancelled');
    assert.equal(await one.downloads.renew(claim), 'cancelled');
    assert.equal(await one.downloads.downloaded(claim, song(job.id), COST), false);
    assert.equal(await statusOf(api, job), 'cancelled');
  });

  it('goes back to its place without an attempt when the downloader has to end', async () => {
    const job = await admit();
    const later = await admit();
    assert.equal(await one.downloads.handBack(await take()), true);
    assert.equal((await get(job)).stage, 'waiting');
    const claim = await take();
    assert.deepEqual([claim.job.id, claim.attempt], [job.id, 1]);
    assert.equal((await take()).job.id, later.id);
  });

  it('is taken up again when its downloader is lost, three times in all', async () => {
    const job = await admit();
    for (let attempt = 1; attempt <= 3; attempt++) {
      const claim = await take(frail);
      assert.equal(claim.attempt, attempt);
      const outcome = attempt < 3 ? 'requeued' : 'failed';
      await until(async () => (await one.sweeper.sweep())[outcome] === 1, 'the end of a lease');
      assert.equal(await frail.downloads.renew(claim), 'lost');
    }
    const { status, error, attempts } = await get(job);
    assert.equal(status, 'failed');
    assert.equal(error?.code, 'ATTEMPTS_EXHAUSTED');
    assert.equal(attempts, 0, 'no worker was lost by it');
  });

  it('fails with what its downloader says', async () => {
    const job = await admit();
    const failure = { code: 'YOUTUBE_PRIVATE', message: 'The video is private' };
    assert.equal(await one.downloads.fail(await take(), failure), true);
    const { status, error } = await get(job);
    assert.deepEqual({ status, error }, { status: 'failed', error: failure });
  });

  it('fails when nobody downloads songs for too long', async () => {
    const job = await admit();
    await api.connection.send(['HSET', `${PREFIX}served`, 'ms', String(2 * 3_600_000)]);
    assert.equal((await one.sweeper.sweep()).unserved, 1);
    assert.equal((await get(job)).error?.code, 'NO_WORKER');
  });

  it('has wake-ups of its own, and the sweeper sends lost ones again', async () => {
    const attempts: number[] = [];
    one.downloadDispatcher.listen(1, async () => {
      const claim = await one.downloads.claim('worker');
      if (claim) attempts.push(claim.attempt);
    });
    const job = await admit();
    await until(() => attempts.length === 1, 'the first attempt');
    await api.connection.send(['ZADD', `${PREFIX}leases:downloads`, '1', job.id]);
    await until(async () => (await one.sweeper.sweep()).requeued === 1, 'the end of a lease');
    await until(() => attempts.length === 2, 'the second attempt');
    await one.downloadDispatcher.close();
  });
});
