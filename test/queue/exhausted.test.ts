/** Jobs that end because they have no attempt left are in the metrics, each once. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { createMetrics } from '../../src/observability/metrics.js';
import { createClaims } from '../../src/queue/claims.js';
import { createDownloads } from '../../src/queue/downloads.js';
import { PREFIX } from '../../src/queue/keys.js';
import { MAX_ATTEMPTS } from '../../src/jobs/timing.js';
import { admission, model, quiet, RUNTIME, startQueue, statusOf, worker } from './harness.js';

const queue = await startQueue({ after });
const { connection, dispatcher, downloadDispatcher, jobs, workers } = await queue.join();
const metrics = createMetrics();
const shared = { dispatcher, downloadDispatcher, jobTtl: 3600, logger: quiet, metrics };
const claims = createClaims(connection, shared);
const downloads = createDownloads(connection, { ...shared, claims });
await workers.announce(worker('worker'));

const valueOf = async (counter: typeof metrics.jobsTotal | typeof metrics.errorsTotal) =>
  (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);
const counted = async () => [await valueOf(metrics.jobsTotal), await valueOf(metrics.errorsTotal)];
const useUp = (id: string, field: 'attempts' | 'downloadAttempts') =>
  connection.send(['HSET', `${PREFIX}job:${id}`, field, String(MAX_ATTEMPTS)]);

it('a claim, a stuck attempt and a download', async () => {
  const found = (await jobs.admit(admission())).job;
  await useUp(found.id, 'attempts');
  assert.equal(await claims.claim('worker', RUNTIME), undefined);
  assert.equal(await statusOf({ jobs }, found), 'failed');
  assert.deepEqual(await counted(), [1, 1]);

  const stuck = (await jobs.admit(admission())).job;
  const claim = await claims.claim('worker', RUNTIME);
  assert.equal(claim?.job.id, stuck.id);
  await useUp(stuck.id, 'attempts');
  assert.equal(await claims.giveUp(claim), true);
  assert.equal(await claims.giveUp(claim), false);
  assert.equal(await statusOf({ jobs }, stuck), 'failed');
  assert.deepEqual(await counted(), [2, 2]);

  const asked = admission();
  const url = 'https://www.youtube.com/watch?v=abcdefghijk';
  const unknown = { key: null, sha256: null, sizeBytes: null, durationSeconds: null };
  const source = { kind: 'youtube' as const, url, name: url, model: model('toy'), ...unknown };
  const linked = (await jobs.admit({ ...asked, request: { ...asked.request, source } })).job;
  await useUp(linked.id, 'downloadAttempts');
  assert.equal(await downloads.claim('worker'), undefined);
  assert.equal(await statusOf({ jobs }, linked), 'failed');
  assert.deepEqual(await counted(), [3, 3]);

  assert.equal(await claims.claim('worker', RUNTIME), undefined);
  assert.equal(await downloads.claim('worker'), undefined);
  assert.deepEqual(await counted(), [3, 3]);
});
