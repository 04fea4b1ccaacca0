/** What is promised while the storage takes connections and answers nothing. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createMetrics } from '../../src/observability/metrics.js';
import { NO_TRACER } from '../../src/observability/tracing.js';
import { createJanitor } from '../../src/queue/janitor.js';
import { createJobs } from '../../src/queue/jobs.js';
import { createSweeper } from '../../src/queue/sweeper.js';
import { runJob, type JobContext } from '../../src/worker/run-job.js';
import type { Storage } from '../../src/storage/storage.js';
import { PREFIX } from '../../src/queue/keys.js';
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
const member = await queue.join();
await member.workers.announce(worker('worker'));

const silence = new Promise<never>(() => undefined);
const storage = new Proxy(queue.storage, {
  get: (_target, name: keyof Storage) =>
    name === 'list'
      ? async function* () {
          yield await silence;
        }
      : () => silence,
});
const { connection, dispatcher } = member;
const common = { dispatcher, storage, jobTtl: 3600, logger: quiet };

/** Seconds that it takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

describe('a storage that hangs', { timeout: 30_000 }, () => {
  it('holds up no client that cancels a job, and nothing of it is forgotten', async () => {
    const jobs = createJobs(connection, common);
    const { job } = await jobs.admit(admission());
    const seconds = await timed(() => jobs.cancelOrRemove(job.id, TENANT));
    assert.ok(seconds < 8, `${seconds} s`);
    assert.equal(await statusOf(member, job), 'cancelled');
    const trash = (await connection.send(['SMEMBERS', `${PREFIX}trash`])) as string[];
    assert.ok([...trash].includes(`uploads/${job.id}`));
  });

  it('holds up no sweep, which finds jobs whose worker is lost', async () => {
    await connection.send(['SADD', `${PREFIX}trash`, 'uploads/of-another']);
    const sweeper = createSweeper(connection, common);
    await member.jobs.admit(admission());
    const claim = await claimed(member);
    await connection.send(['ZADD', `${PREFIX}leases`, '1', claim.job.id]);
    const seconds = await timed(async () => {
      assert.equal((await sweeper.sweep()).requeued, 1);
    });
    assert.ok(seconds < 8, `${seconds} s`);
    await member.jobs.cancelOrRemove(claim.job.id, TENANT);
  });

  it('keeps no place of a worker whose job has ended', async () => {
    const equal = { sha256: 'equal', options: { seed: 1 } };
    await member.jobs.admit(admission(equal));
    await member.claims.complete(await claimed(member), result());
    const { job } = await member.jobs.admit(admission(equal));
    const claim = await claimed(member);
    assert.ok(claim.cached);
    const context = {
      ...{ claims: member.claims, storage, logger: quiet, metrics: createMetrics() },
      ...{
        tracer: NO_TRACER,
        renewalMs: 5_000,
        retryDelaysMs: [],
        stopping: new AbortController().signal,
      },
    };
    const seconds = await timed(() => runJob(context as unknown as JobContext, claim));
    assert.ok(seconds < 8, `${seconds} s`);
    assert.equal(await statusOf(member, job), 'completed');
  });

  it('holds up no stop', async () => {
    const janitor = createJanitor(connection, { storage, logger: quiet });
    janitor.start();
    const seconds = await timed(() => janitor.stop());
    assert.ok(seconds < 6, `${seconds} s`);
  });
});
