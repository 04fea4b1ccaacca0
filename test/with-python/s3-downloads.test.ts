/** Stems out of a bucket: through the API, or straight from the bucket. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { jobDocument } from '../../src/http/job-document.js';
import { pixelCount } from '../../src/audio/chunk-format.js';
import { OxboardClient } from '../../src/client/index.js';
import { chunkKey, peaksKey } from '../../src/jobs/record.js';
import { S3Storage } from '../../src/storage/s3-storage.js';
import { complete, form, post, startApi, submit, takeJob } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';
import { startS3 } from '../support/s3.js';

const VOCALS = randomBytes(3_000_000);
const DRUMS = randomBytes(1_000);
const s3 = await startS3({ after });

async function start(
  context: TestContext,
  storageDownloads: 'proxy' | 'redirect',
  apiKeys: string[] = [],
) {
  const place = { bucket: await s3.bucket(), prefix: '', endpoint: s3.url, region: undefined };
  const storage = await S3Storage.open(place, { connectMs: 1_000, idleMs: 300 });
  s3.fault = undefined;
  s3.requests = [];
  return startApi(context, { storage, config: { storageDownloads }, apiKeys });
}

void describe('stems in a bucket', () => {
  it('come through the API: whole, in ranges, as a ZIP, and over broken connections', async (context) => {
    const api = await start(context, 'proxy');
    const id = await submit(api);
    await complete(api, await takeJob(api), { vocals: VOCALS, drums: DRUMS });
    const { bytes: whole, headers } = await call(api, `/jobs/${id}/stems/vocals`);
    assert.ok(whole.equals(VOCALS));

    const etag = headers.get('etag')!;
    const range = { Range: 'bytes=1000-1999', 'If-Range': etag };
    const part = await call(api, `/jobs/${id}/stems/vocals`, { headers: range });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), 'bytes 1000-1999/3000000');
    assert.ok(part.bytes.equals(VOCALS.subarray(1000, 2000)));
    const known = { headers: { 'If-None-Match': etag } };
    assert.equal((await call(api, `/jobs/${id}/stems/vocals`, known)).status, 304);

    s3.cuts = [500_000, 0, 1_000_000];
    assert.ok((await call(api, `/jobs/${id}/stems/vocals`)).bytes.equals(VOCALS));
    s3.cuts = [2_000_000];
    const zip = path.join(api.folder, 'stems.zip');
    writeFileSync(zip, (await call(api, `/jobs/${id}/stems.zip`)).bytes);
    for (const [name, bytes] of [
      ['vocals', VOCALS],
      ['drums', DRUMS],
    ] as const) {
      const unzip =
        'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))';
      const entry = execFileSync('python3', ['-c', unzip, zip, `song - ${name}.wav`], {
        maxBuffer: 1e7,
      });
      assert.ok(entry.equals(bytes), name);
    }
  });

  it('are played from it in chunks', async (context) => {
    const api = await start(context, 'redirect');
    const id = await submit(api);
    const result = await complete(api, await takeJob(api), { vocals: VOCALS, drums: DRUMS });
    await api.storage.putBytes(chunkKey(result.id, 'drums', 0), DRUMS);
    const pixels = pixelCount(1, 44_100);
    const columns = Buffer.from(Array.from({ length: pixels * 6 }, (_, at) => at % 6));
    await api.storage.putBytes(peaksKey(result.id), columns);

    const client = new OxboardClient({ baseUrl: api.url });
    const { playback } = await client.job(id);
    assert.ok(Buffer.from(await client.chunk(playback!, 'drums', 0)).equals(DRUMS));
    const url = client.url(playback!.stems.drums!.chunkUrl.replace('{n}', '0'));
    const some = await fetch(url, { headers: { Range: 'bytes=10-19' } });
    assert.equal(some.status, 206);
    assert.ok(Buffer.from(await some.arrayBuffer()).equals(DRUMS.subarray(10, 20)));
    const { data } = await client.peaks(playback!, 'drums');
    assert.deepEqual([data.length, ...data.subarray(0, 2)], [pixels * 2, 2, 3]);
  });

  it('come from the bucket itself, for those who may have them', async (context) => {
    const api = await start(context, 'redirect', ['key-1', 'key-2']);
    const authorization = { Authorization: 'Bearer key-1' };
    const posted = await post(api, form(api.song, {}), authorization);
    const { job_id: id } = (await posted.json()) as { job_id: string };
    await complete(api, await takeJob(api), { vocals: VOCALS, drums: DRUMS });
    const document = await call(api, `/jobs/${id}`, { headers: authorization });
    const { url } = document.as(jobDocument).result!.stems.vocals!;
    const stem = new URL(url, api.url);

    const sent = await fetch(stem, { redirect: 'manual' });
    assert.equal(sent.status, 307);
    assert.equal(sent.headers.get('cache-control'), 'no-store');
    const target = new URL(sent.headers.get('location')!);
    assert.equal(target.origin, s3.url);
    assert.equal(target.searchParams.get('X-Amz-Expires'), '3600');
    assert.doesNotMatch(JSON.stringify(api.logged()), /X-Amz/i);

    const range = { Range: 'bytes=5-9' };
    const followed = await fetch(stem, { headers: range });
    assert.equal(followed.status, 206);
    assert.equal(followed.headers.get('content-type'), 'audio/wav');
    assert.match(followed.headers.get('content-disposition') ?? '', /vocals/);
    assert.deepEqual(Buffer.from(await followed.arrayBuffer()), VOCALS.subarray(5, 10));

    const head = await fetch(stem, { method: 'HEAD', redirect: 'error' });
    assert.equal(head.headers.get('content-length'), String(VOCALS.length));
    const known = { 'If-None-Match': head.headers.get('etag')! };
    assert.equal((await fetch(stem, { headers: known, redirect: 'error' })).status, 304);
    const zip = await call(api, `/jobs/${id}/stems.zip`, { headers: authorization });
    assert.equal(zip.status, 200);

    const stranger = { headers: { Authorization: 'Bearer key-2' } };
    assertProblem(await call(api, `/jobs/${id}/stems/vocals`, stranger), 404, 'JOB_NOT_FOUND');
  });

  for (const fault of ['down', 'silent', 'denied'] as const) {
    it(`and a bucket that is ${fault}: the API says so, and goes on later`, async (context) => {
      const api = await start(context, 'proxy');
      const id = await submit(api);
      await complete(api, await takeJob(api), { vocals: VOCALS });
      s3.fault = fault;
      assertProblem(await call(api, `/jobs/${id}/stems/vocals`), 503, 'STORAGE_UNAVAILABLE');
      const refused = await post(api, form(api.song));
      assert.equal(refused.status, 503);
      const { detail } = (await refused.json()) as { detail: string };
      assert.doesNotMatch(detail, /bucket|policy|s3:/);
      const ready = await call(api, '/health/ready');
      assert.equal(ready.status, 503);
      assert.deepEqual((ready.body as { missing: string[] }).missing, ['storage']);
      // Its files stay in the trash until they can be removed.
      assert.equal((await call(api, `/jobs/${id}`, { method: 'DELETE' })).status, 204);
      assertProblem(await call(api, `/jobs/${id}`), 404, 'JOB_NOT_FOUND');

      s3.fault = undefined;
      assert.equal((await call(api, '/health/ready')).status, 200);
      await submit(api);
    });
  }
});
