/** Jobs as clients see them, from admission to removal, and the stems of those that are complete. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { complete, startApi, submit, takeJob, type TestApi } from '../support/api.js';
import { jobDocument } from '../../src/http/job-document.js';
import { jobList } from '../../src/http/routes/jobs.js';
import { assertProblem, call } from '../support/contract.js';

const VOCALS = randomBytes(10_000);
const DRUMS = randomBytes(3000);

/** A job that is complete. */
async function completed(
  api: TestApi,
  fields: Record<string, string> = {},
  name?: string,
): Promise<string> {
  const id = await submit(api, fields, name);
  await complete(api, await takeJob(api), { vocals: VOCALS, drums: DRUMS });
  return id;
}

void describe('a job', () => {
  it('is pending, then processing, then complete with its stems', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const pending = (await call(api, `/jobs/${id}`)).as(jobDocument);
    assert.equal(pending.status, 'pending');
    assert.equal(pending.stage, 'waiting');
    assert.equal(pending.progress, 0);
    assert.equal(pending.result, null);
    for (const rest of ['/stems/vocals', '/stems.zip'])
      assertProblem(await call(api, `/jobs/${id}${rest}`), 409, 'JOB_NOT_COMPLETED');

    const claim = await takeJob(api);
    await api.claims.progress(claim, { stage: 'separating', progress: 42.5 });
    const processing = (await call(api, `/jobs/${id}`)).as(jobDocument);
    assert.equal(processing.status, 'processing');
    assert.equal(processing.stage, 'separating');
    assert.equal(processing.progress, 42.5);
    assert.equal(processing.attempts, 1);
    assert.ok(processing.updated_at >= pending.updated_at);

    await complete(api, claim, { vocals: VOCALS, drums: DRUMS });
    const done = (await call(api, `/jobs/${id}`)).as(jobDocument);
    assert.equal(done.status, 'completed');
    assert.equal(done.progress, 100);
    assert.deepEqual([done.error, done.error_code], [null, null]);
    assert.deepEqual(Object.keys(done.result!.stems), ['vocals', 'drums']);
    assert.equal(done.result!.processing_time, 0.5);
    assert.equal(done.result!.realtime_factor, 2);
    assert.deepEqual(done.result!.manifest, { model: 'htdemucs' });
    const { url, size_bytes: size } = done.result!.stems.vocals!;
    assert.equal(size, VOCALS.length);
    const stem = await fetch(new URL(url, api.url));
    assert.deepEqual(Buffer.from(await stem.arrayBuffer()), VOCALS);
  });

  it('that fails says why', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const failure = { code: 'OUT_OF_MEMORY', message: 'The memory for tensors ran out' };
    await api.claims.fail(await takeJob(api), failure);
    const body = (await call(api, `/jobs/${id}`)).as(jobDocument);
    assert.equal(body.status, 'failed');
    assert.deepEqual({ code: body.error_code, message: body.error }, failure);
    assertProblem(await call(api, `/jobs/${id}/stems/vocals`), 409, 'JOB_NOT_COMPLETED');
  });

  it('is cancelled by DELETE while it is not finished, removed by it afterwards', async (context) => {
    const api = await startApi(context);
    const remove = async (id: string) => call(api, `/jobs/${id}`, { method: 'DELETE' });

    const pending = await submit(api);
    assert.equal((await remove(pending)).status, 204);
    assert.equal((await call(api, `/jobs/${pending}`)).as(jobDocument).status, 'cancelled');
    assert.equal((await remove(pending)).status, 204);
    assertProblem(await call(api, `/jobs/${pending}`), 404, 'JOB_NOT_FOUND');

    const done = await completed(api, { seed: '1' });
    assert.equal((await remove(done)).status, 204);
    for (const rest of ['', '/stems/vocals', '/stems.zip', '/events', '/ws'])
      assertProblem(await call(api, `/jobs/${done}${rest}`), 404, 'JOB_NOT_FOUND');
    assertProblem(await remove(done), 404, 'JOB_NOT_FOUND');
  });
});

void describe('the list of jobs', () => {
  it('has the newest first, by status and by pages', async (context) => {
    const api = await startApi(context);
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await submit(api, { seed: String(n) }));
    await call(api, `/jobs/${ids[2]!}`, { method: 'DELETE' });
    const list = async (query: string) => (await call(api, `/jobs${query}`)).as(jobList);
    const idsOf = ({ jobs }: { jobs: { job_id: string }[] }) => jobs.map((job) => job.job_id);

    assert.deepEqual(idsOf(await list('')), ids);
    assert.deepEqual(idsOf(await list('?status=cancelled')), [ids[2]]);
    const first = await list('?limit=3');
    assert.deepEqual(idsOf(first), ids.slice(0, 3));
    const second = await list(`?limit=3&cursor=${encodeURIComponent(first.next_cursor ?? '')}`);
    assert.deepEqual(idsOf(second), ids.slice(3));
    assert.equal(second.next_cursor, null);

    const reference = '\u{1f3b5}'.repeat(200);
    const named = await submit(api, { client_reference: reference });
    const { client_reference: told } = (await call(api, `/jobs/${named}`)).as(jobDocument);
    assert.equal(told, reference);
    const filter = `client_reference=${encodeURIComponent(reference)}`;
    assert.deepEqual(idsOf(await list(`?${filter}`)), [named]);
    assert.deepEqual(idsOf(await list(`?${filter}&status=failed`)), []);

    for (const query of [
      `?${filter}x`,
      '?client_reference=',
      '?status=done',
      '?limit=0',
      '?limit=101',
      '?limit=x',
      '?status=pending&status=failed',
      '?cursor=',
      '?cursor=..%2f%00',
    ])
      assertProblem(await call(api, `/jobs${query}`), 400, 'REQUEST_INVALID');
  });
});

void describe('a stem', async () => {
  const api = await startApi({ after });
  const id = await completed(api, {}, 'Ágætis "byrjun".wav');
  const stem = `/jobs/${id}/stems/vocals`;
  const get = async (headers: Record<string, string> = {}, method = 'GET') =>
    call(api, stem, { headers, method });
  const etag = (await get()).headers.get('etag') ?? '';

  it('has a type, a name and an ETag, and does not change unseen', async () => {
    const { status, headers, bytes } = await get();
    assert.equal(status, 200);
    assert.deepEqual(bytes, VOCALS);
    assert.equal(headers.get('content-type'), 'audio/wav');
    assert.equal(headers.get('accept-ranges'), 'bytes');
    assert.match(etag, /^"[0-9a-f]{64}"$/);
    assert.equal(headers.get('cross-origin-resource-policy'), 'cross-origin');
    assert.equal(
      headers.get('content-disposition'),
      'attachment; filename="?g?tis \\"byrjun\\" - vocals.wav"; ' +
        "filename*=UTF-8''%C3%81g%C3%A6tis%20%22byrjun%22%20-%20vocals.wav",
    );
    const head = await get({}, 'HEAD');
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('content-length'), String(VOCALS.length));
    assert.equal(head.bytes.length, 0);
    assert.equal((await get({ 'If-None-Match': etag })).status, 304);
    assert.equal((await get({ 'If-None-Match': `"x", W/${etag}` })).status, 304);
    assert.equal((await get({ 'If-None-Match': '"x"' })).status, 200);
  });

  it('is sent in the range that is asked for', async () => {
    const ranges: [range: string, start: number, end: number][] = [
      ['bytes=0-0', 0, 0],
      ['bytes=100-199', 100, 199],
      ['bytes=9990-', 9990, 9999],
      ['bytes=-10', 9990, 9999],
      ['bytes=-20000', 0, 9999],
      ['bytes=5000-99999999', 5000, 9999],
    ];
    for (const [range, start, end] of ranges) {
      const { status, headers, bytes } = await get({ Range: range });
      assert.equal(status, 206, range);
      assert.equal(headers.get('content-range'), `bytes ${start}-${end}/10000`);
      assert.equal(headers.get('content-length'), String(end - start + 1));
      assert.deepEqual(bytes, VOCALS.subarray(start, end + 1));
    }
    for (const range of ['bytes=10000-', 'bytes=-0', 'bytes=99999999999999999999-']) {
      const answer = await get({ Range: range });
      assertProblem(answer, 416, 'RANGE_NOT_SATISFIABLE');
      assert.equal(answer.headers.get('content-range'), 'bytes */10000');
    }
    // What a server may ignore.
    for (const range of [
      'bytes=5-1',
      'bytes=a-b',
      'lines=0-1',
      'bytes=0-1,5-6',
      'bytes',
      '=',
      '0-1',
    ]) {
      const { status, bytes } = await get({ Range: range });
      assert.ok(status === 200 || status === 416, `${range}: ${String(status)}`);
      if (status === 200) assert.equal(bytes.length, VOCALS.length);
    }
    const part = { Range: 'bytes=0-9' };
    assert.equal((await get({ ...part, 'If-Range': etag })).status, 206);
    assert.equal((await get({ ...part, 'If-Range': '"other"' })).status, 200);
    assert.equal((await get({ ...part, 'If-Range': new Date().toUTCString() })).status, 200);
    assert.equal((await get(part, 'HEAD')).status, 200);
  });

  it('that the job does not have is not there', async () => {
    for (const name of ['piano', 'constructor', '__proto__', '..%2f..%2fx', 'vocals.wav'])
      assertProblem(await call(api, `/jobs/${id}/stems/${name}`), 404, 'STEM_NOT_FOUND');
  });

  it('goes with all others as one archive', async () => {
    const { status, headers, bytes } = await call(api, `/jobs/${id}/stems.zip`);
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/zip');
    assert.equal(headers.get('content-length'), String(bytes.length));
    assert.match(headers.get('content-disposition') ?? '', /byrjun%22%20-%20stems\.zip/);
    const file = path.join(api.folder, 'stems.zip');
    writeFileSync(file, bytes);
    const read = (name: string) =>
      execFileSync('python3', [
        '-c',
        'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; ' +
          'sys.stdout.buffer.write(z.read(sys.argv[2]))',
        file,
        name,
      ]);
    assert.deepEqual(read('Ágætis "byrjun" - vocals.wav'), VOCALS);
    assert.deepEqual(read('Ágætis "byrjun" - drums.wav'), DRUMS);

    const zip = `/jobs/${id}/stems.zip`;
    const head = await call(api, zip, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), String(bytes.length));
    const tag = headers.get('etag') ?? '';
    assert.equal((await call(api, zip, { headers: { 'If-None-Match': tag } })).status, 304);
  });

  it('has the type of its format', async () => {
    const types: Record<string, string> = {
      flac: 'audio/flac',
      mp3: 'audio/mpeg',
      opus: 'audio/ogg; codecs=opus',
      m4a: 'audio/mp4',
    };
    for (const [format, type] of Object.entries(types)) {
      const job = await completed(api, { output_format: format });
      const { headers } = await call(api, `/jobs/${job}/stems/drums`, { method: 'HEAD' });
      assert.equal(headers.get('content-type'), type);
      assert.match(headers.get('content-disposition') ?? '', new RegExp(`drums\\.${format}"`));
    }
  });

  it('whose file is gone is an error of the service before it is sent, not a broken file', async () => {
    const job = await completed(api, { seed: '7' });
    await api.storage.removeAll('results');
    assertProblem(await call(api, `/jobs/${job}/stems/vocals`), 404, 'JOB_NOT_FOUND');
    await assert.rejects(call(api, `/jobs/${job}/stems.zip`));
  });
});
