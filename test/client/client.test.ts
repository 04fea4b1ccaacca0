/** The client in Node.js against the real service; browsers are tested with the page. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { until } from '../support/until.js';
import { OxboardClient, ServiceError, type JobUpdate } from '../../src/client/index.js';
import { startReverseProxy } from '../support/reverse-proxy.js';
import { complete, startApi, takeJob, type TestApi } from '../support/api.js';

const KEY = 'k'.repeat(32);

const clientOf = ({ url }: { url: string }, apiKey?: string) =>
  new OxboardClient({ baseUrl: url, apiKey });

const songOf = ({ song }: TestApi) => new File([new Uint8Array(song)], 'my song.wav');

const hasCode = (code: string) => (error: unknown) =>
  error instanceof ServiceError && error.code === code;

/** Takes jobs until there is one. */
async function nextClaim(api: TestApi) {
  for (;;) {
    const claim = await api.claims.claim('worker-1', 'test');
    if (claim) return claim;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

void test('separate() uploads a song, tells its progress and gives the completed job', async (context) => {
  const api = await startApi(context, { apiKeys: [KEY] });
  const client = clientOf(api, KEY);
  const sent: number[] = [];
  const updates: JobUpdate[] = [];
  const separated = client.separate(
    songOf(api),
    { twoStems: 'vocals', format: 'flac', shifts: 1, clientReference: 'order 66' },
    {
      onUpload: ({ sentBytes, totalBytes }) => {
        assert.equal(totalBytes, api.song.length);
        sent.push(sentBytes);
      },
      onProgress: (update) => updates.push(update),
    },
  );
  const claim = await nextClaim(api);
  const { options } = claim.job.request;
  assert.deepEqual(
    [options.twoStems, options.format, options.shifts],
    ['vocals', 'flac', 1],
    'options are fields of the form',
  );
  await complete(api, claim, { vocals: Buffer.from('a'), no_vocals: Buffer.from('b') });

  const job = await separated;
  assert.equal(job.status, 'completed');
  assert.equal(job.name, 'my song.wav');
  assert.equal(job.clientReference, 'order 66');
  const [listed] = (await client.jobs({ clientReference: 'order 66' })).jobs;
  assert.equal(listed?.id, job.id);
  assert.deepEqual((await client.jobs({ clientReference: 'order 65' })).jobs, []);
  assert.equal(sent.at(-1), api.song.length);
  assert.deepEqual(
    sent,
    [...sent].sort((a, b) => a - b),
  );
  assert.equal(updates.at(-1)?.event, 'completed');
  assert.deepEqual(Object.keys(job.result?.stems ?? {}), ['vocals', 'no_vocals']);
  const { url, sizeBytes } = job.result?.stems.no_vocals ?? assert.fail();
  assert.equal(sizeBytes, 1);
  // The token in the URL takes the place of the key.
  assert.equal(await (await fetch(client.url(url))).text(), 'b');
});

void test('a job that fails is an error with its code', async (context) => {
  const api = await startApi(context);
  const separated = clientOf(api).separate(songOf(api));
  separated.catch(() => undefined);
  const claim = await nextClaim(api);
  await api.claims.fail(claim, { code: 'INPUT_NOT_FINITE', message: 'The song has NaN' });
  await assert.rejects(separated, (error) => {
    assert.ok(hasCode('INPUT_NOT_FINITE')(error));
    assert.equal((error as ServiceError).message, 'The song has NaN');
    return true;
  });
});

void test('an aborted separate() rejects with the reason and cancels the job', async (context) => {
  const api = await startApi(context);
  const client = clientOf(api);
  const abort = new AbortController();
  const separated = client.separate(
    songOf(api),
    {},
    { signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) },
  );
  await assert.rejects(separated, { message: 'enough' });
  const { jobs } = await client.jobs();
  assert.deepEqual(
    jobs.map(({ status }) => status),
    ['cancelled'],
  );
});

void test('refusals have the code, the status and the words of the service', async (context) => {
  const api = await startApi(context, { apiKeys: [KEY] });
  await assert.rejects(clientOf(api).jobs(), hasCode('API_KEY_REQUIRED'));
  const client = clientOf(api, KEY);
  await assert.rejects(client.submit(new Blob(['no audio'])), (error) => {
    assert.ok(error instanceof ServiceError);
    assert.deepEqual([error.code, error.status], ['INPUT_NOT_AUDIO', 415]);
    return true;
  });
  await assert.rejects(client.submit(songOf(api), { shifts: -1 }), hasCode('INVALID_OPTION'));
  const none = '0b0c6f3e-6a3f-4c57-9a34-5d0c8f4c2a17';
  await assert.rejects(client.job(none), hasCode('JOB_NOT_FOUND'));
  await assert.rejects(async () => {
    for await (const _ of client.events(none));
  }, hasCode('JOB_NOT_FOUND'));
});

void test('a service that is not there, or is another, is an error with a code', async () => {
  const other = createServer((_request, response) => response.writeHead(500).end('<html>'));
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const url = `http://127.0.0.1:${String((other.address() as AddressInfo).port)}`;
  await assert.rejects(clientOf({ url }).models(), hasCode('ANSWER_INVALID'));
  other.closeAllConnections();
  await new Promise((resolve) => other.close(resolve));
  await assert.rejects(clientOf({ url }).models(), hasCode('SERVICE_UNREACHABLE'));
  await assert.rejects(clientOf({ url }).submit(new Blob(['x'])), hasCode('SERVICE_UNREACHABLE'));
});

void test('events go on after the last one when the connection is lost', async (context) => {
  const api = await startApi(context);
  const client = clientOf(api);
  const { id } = await client.submit(songOf(api));
  const claim = await takeJob(api);
  const seen: JobUpdate[] = [];
  for await (const update of client.events(id)) {
    seen.push(update);
    if (seen.length > 1) continue;
    api.server.closeAllConnections();
    await api.claims.progress(claim, { stage: 'separating', progress: 50 });
    await complete(api, claim, { drums: Buffer.from('a') });
  }
  assert.deepEqual(
    seen.map(({ stage }) => stage),
    ['loading', 'separating', 'done'],
  );
  assert.equal(seen.at(-1)?.event, 'completed');

  const after: string[] = [];
  for await (const { stage } of client.events(id, { lastEventId: seen[1]?.id })) after.push(stage);
  assert.deepEqual(after, ['done'], 'Last-Event-ID begins after that update');
  for await (const _ of client.events(id, { lastEventId: seen[2]?.id })) assert.fail();
});

void test('events go on when the connection has died without an error', async (context) => {
  const api = await startApi(context, { heartbeatMs: 200 });
  const proxy = await startReverseProxy(context, api.url);
  const client = clientOf(proxy);
  const { id } = await client.submit(songOf(api));
  const claim = await takeJob(api);
  const seen: JobUpdate[] = [];
  for await (const update of client.events(id)) {
    seen.push(update);
    if (seen.length > 1) continue;
    proxy.silent = true;
    const before = proxy.requests.length;
    await api.claims.progress(claim, { stage: 'separating', progress: 50 });
    await complete(api, claim, { drums: Buffer.from('a') });
    // The client opens the stream again by itself; from then on bytes pass.
    void until(() => proxy.requests.length > before).then(() => (proxy.silent = false));
  }
  assert.deepEqual(
    seen.map(({ stage }) => stage),
    ['loading', 'separating', 'done'],
  );
});

void test('jobs are listed page by page and removed', async (context) => {
  const api = await startApi(context);
  const client = clientOf(api);
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.unshift((await client.submit(songOf(api))).id);
  const first = await client.jobs({ limit: 2, status: 'pending' });
  const second = await client.jobs({ limit: 2, cursor: first.nextCursor ?? assert.fail() });
  assert.deepEqual(
    [...first.jobs, ...second.jobs].map(({ id }) => id),
    ids,
  );
  assert.equal(second.nextCursor, null);
  await client.remove(ids[0] ?? '');
  assert.equal((await client.job(ids[0] ?? '')).status, 'cancelled');
  await client.remove(ids[0] ?? '');
  await assert.rejects(client.job(ids[0] ?? ''), hasCode('JOB_NOT_FOUND'));
});

void test('models and health are in camelCase', async (context) => {
  const api = await startApi(context);
  const client = clientOf(api);
  const { models, defaultModel } = await client.models();
  assert.equal(defaultModel, 'htdemucs');
  assert.equal(models[0]?.sampleRate, 44_100);
  assert.equal((await client.health()).queueStatus?.workersAvailable, 1);
});
