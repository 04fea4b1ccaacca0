/** What a client has reserved of its limits is free again when the process that reserved it is gone. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { connectQueue } from '../../src/queue/connection.js';
import { createPostCounts } from '../../src/queue/post-counts.js';
import { until } from '../support/until.js';
import { quiet, startQueue } from './harness.js';

const queue = await startQueue({ after });
const LIMITS = { jobs: 2, refusals: 100, periodMs: 600_000 };
const LEASE = { leaseMs: 600 };

it('a reservation lasts as long as its process, and no longer', async () => {
  const { connection } = await queue.join();
  const other = await connectQueue({ redisUrl: queue.redis.url, redisDb: 0 }, quiet);
  const [living, dying] = [connection, other].map((of) => createPostCounts(of, LEASE));
  const upload = await living!.reserve('client', LIMITS);
  assert.equal((await dying!.reserve('client', LIMITS)).jobs, 2);
  assert.equal((await living!.reserve('client', LIMITS)).full, 'jobs');
  await other.close();

  let last = upload;
  await until(async () => {
    last = await living!.reserve('client', LIMITS);
    return last.full === undefined;
  });
  // The older one, which its process renews, still counts.
  assert.equal(last.jobs, 2);
  await last.settle({ job: false, refusal: true });
  await upload.settle({ job: true, refusal: false });
  const next = await living!.reserve('client', { ...LIMITS, refusals: 1 });
  assert.deepEqual([next.full, next.jobs], ['refusals', 1]);
});
