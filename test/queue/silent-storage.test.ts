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
import { HANG_MS } from '../support/until.js';

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
const common = { dispatcher, storage, jobTtl: 3600, maxWait: 3600, logger: quiet };

// Each of these would wait for ever if it waited for the storage.
describe('a storage that hangs', { timeout: HANG_MS }, () => {
  it('holds up no client that cancels a job, and nothing of it is forgotten', async () => {
    const jobs = createJobs(connection, common);
    const { job } = await jobs.admit(admission());
    await jobs.cancelOrRemove(job.id, TENANT);
    assert.equal(await statusOf(member, job), 'cancelled');
    const trash = (await connection.send(['ZRANGE', `${PREFIX}trash`, '0', '-1'])) as string[];
    assert.ok([...trash].includes(`uploads/${job.id}`));
  });

  it('holds up no sweep, which finds jobs whose worker is lost', async () => {
    await connection.send(['ZADD', `${PREFIX}trash`, '0', 'uploads/of-another']);
    const sweeper = createSweeper(connection, common);
    await member.jobs.admit(admission());
    const claim = await claimed(member);
    await connection.send(['ZADD', `${PREFIX}leases`, '1', claim.job.id]);
    assert.equal((await sweeper.sweep()).requeued, 1);
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
    await runJob(context as unknown as JobContext, claim);
    assert.equal(await statusOf(member, job), 'completed');
  });

  it('holds up no stop', async () => {
    const janitor = createJanitor(connection, { storage, logger: quiet });
    janitor.start();
    await janitor.stop();
  });
});
