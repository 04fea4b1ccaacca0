/** Resumable uploads by the tus protocol, over several processes of the API. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { accepted } from '../../src/http/routes/stemify.js';
import { PREFIX } from '../../src/queue/keys.js';
import { startApi, takeJob, type TestApi } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';
import {
  answerOf,
  begin,
  begun,
  head,
  offsetOf,
  remove,
  send,
  sendSome,
  stemify,
  sweeperOf,
  TUS,
} from '../support/tus.js';
import { until } from '../support/until.js';

const filesOf = ({ folder }: TestApi): string[] => {
  const storage = path.join(folder, 'storage');
  return readdirSync(storage, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /resumable\/.*\//.test(name),
  );
};

/** Sends all of the song and gives the id of the upload. */
async function uploaded(api: TestApi, name?: string): Promise<string> {
  const id = await begun(api, api.song.length, { ...(name !== undefined && { name }) });
  assert.equal((await send(api, id, 0, api.song)).status, 204);
  return id;
}

/** A request for the whole song, of which so many bytes have come and are stored. */
async function sentFirst(api: TestApi, id: string, count: number) {
  const { song, storage } = api;
  const bytes = song.subarray(0, count);
  const request = sendSome(api, id, { offset: 0, length: song.length, bytes });
  await until(async () => (await storage.stat(`resumable/${id}/song`))?.sizeBytes === count);
  return request;
}

void it('a song in two parts becomes a job, as one that was sent at once', async (context) => {
  const api = await startApi(context);
  const { status, headers } = await begin(api, api.song.length, { name: 'C:\\Ünïcode „7“.wav' });
  assert.equal(status, 201);
  assert.match(headers.get('location')!, /^\/api\/v1\/uploads\/[0-9a-f-]{36}$/);
  assert.ok(Date.parse(headers.get('upload-expires')!) > Date.now());
  const id = headers.get('location')!.split('/').at(-1)!;

  const half = Math.floor(api.song.length / 2);
  const first = await send(api, id, 0, api.song.subarray(0, half));
  assert.equal(first.status, 204);
  assert.equal(first.headers.get('upload-offset'), String(half));
  assert.match(
    assertProblem(await stemify(api, { upload_id: id }), 409, 'UPLOAD_INCOMPLETE'),
    new RegExp(`announced with ${api.song.length} bytes`),
  );
  const state = await head(api, id);
  assert.equal(state.headers.get('upload-offset'), String(half));
  assert.equal(state.headers.get('upload-length'), String(api.song.length));
  assert.equal(state.headers.get('cache-control'), 'no-store');
  assertProblem(await send(api, id, 1, api.song), 409, 'UPLOAD_OFFSET_CONFLICT');
  assert.equal((await send(api, id, half, api.song.subarray(half))).status, 204);

  const once = await stemify(api, { upload_id: id, two_stems: 'vocals', seed: '3' });
  assert.equal(once.status, 202, JSON.stringify(once.body));
  const { source, options } = (await takeJob(api)).job.request;
  assert.equal(source.name, 'Ünïcode „7“.wav');
  assert.equal(source.sizeBytes, api.song.length);
  assert.equal(options.twoStems, 'vocals');
  const stored = await (await api.storage.read(source.key!)).toArray();
  assert.ok(Buffer.concat(stored as Buffer[]).equals(api.song));
});

void it('the same Idempotency-Key gives the same job, also after the upload was used', async (context) => {
  const api = await startApi(context);
  const id = await uploaded(api);
  const key = { 'Idempotency-Key': 'order-66' };
  const [first, again] = [
    await stemify(api, { upload_id: id }, key),
    await stemify(api, { upload_id: id }, key),
  ].map((answer) => answer.as(accepted).job_id);
  assert.equal(again, first);
  // The song itself, sent at once, is the same song.
  const body = new FormData();
  body.set('file', new Blob([new Uint8Array(api.song)]), 'song.wav');
  const whole = await call(api, '/stemify', { method: 'POST', body, headers: key });
  assert.equal(whole.as(accepted).job_id, first);
});

void it('a cut connection goes on where it was, in another process', async (context) => {
  const one = await startApi(context);
  const other = await startApi(context, { beside: one });
  const { song } = one;
  const id = await begun(one, song.length);
  const cut = await sentFirst(one, id, 50_000);
  cut.destroy();
  const offset = await offsetOf(other, id);
  assert.equal(offset, 50_000);
  assert.equal((await send(other, id, offset, song.subarray(offset))).status, 204);
  assert.equal((await stemify(one, { upload_id: id })).status, 202);
  const { source } = (await takeJob(one)).job.request;
  const stored = await (await one.storage.read(source.key!)).toArray();
  assert.ok(Buffer.concat(stored as Buffer[]).equals(song));
});

void it('a second request makes the first one end, also in another process', async (context) => {
  const one = await startApi(context);
  const other = await startApi(context, { beside: one });
  const { song } = one;
  const id = await begun(one, song.length);
  // Nobody has ended this connection: it only has gone silent.
  const silent = await sentFirst(one, id, 9_000);
  const ended = answerOf(silent);
  assert.equal(await offsetOf(other, id), 9_000);
  assert.deepEqual(await ended, { status: 204, offset: 9_000 });
  silent.destroy();
  assert.equal((await send(other, id, 9_000, song.subarray(9_000))).status, 204);

  // Two that send at once: neither spoils what the other has written.
  const both = await begun(one, song.length);
  const answers = await Promise.all([send(one, both, 0, song), send(other, both, 0, song)]);
  for (const { status } of answers) assert.ok([204, 409, 423].includes(status), String(status));
  const at = await offsetOf(one, both);
  if (at < song.length) assert.equal((await send(one, both, at, song.subarray(at))).status, 204);
  const stored = await (await one.storage.read(`resumable/${both}/song`)).toArray();
  assert.ok(Buffer.concat(stored as Buffer[]).equals(song));
});

void it('a request that is told to stop keeps what has come', async (context) => {
  const one = await startApi(context);
  const { song } = one;
  const id = await begun(one, song.length);
  const open = await sentFirst(one, id, 9_000);
  const ended = answerOf(open);
  await one.api.drain();
  assert.deepEqual(await ended, { status: 204, offset: 9_000 });
  open.destroy();
});

void it('belongs to its tenant: others get what they get of unknown ones', async (context) => {
  const [mine, theirs] = ['a', 'b'].map((name) => ({
    Authorization: `Bearer key-of-${name}-${name.repeat(20)}`,
  }));
  const api = await startApi(context, {
    apiKeys: [mine, theirs].map((headers) => headers!.Authorization.slice('Bearer '.length)),
  });
  const id = await begun(api, api.song.length, { headers: mine! });
  for (const [who, upload] of [
    [theirs, id],
    [mine, '00000000-0000-4000-8000-000000000000'],
    [mine, 'x'],
  ] as const) {
    assert.equal((await head(api, upload, who)).status, 404);
    assertProblem(await send(api, upload, 0, api.song, who), 404, 'UPLOAD_NOT_FOUND');
    assertProblem(await remove(api, upload, who), 404, 'UPLOAD_NOT_FOUND');
    if (upload !== 'x')
      assertProblem(await stemify(api, { upload_id: upload }, who), 404, 'UPLOAD_NOT_FOUND');
  }
  assertProblem(await begin(api, 10), 401, 'API_KEY_REQUIRED');
  assert.equal((await head(api, id, mine)).headers.get('upload-offset'), '0');
  // The limits are each tenant's own.
  for (let count = 1; count < 3; count++) await begun(api, 10, { headers: mine! });
  assertProblem(await begin(api, 10, { headers: mine! }), 429, 'UPLOADS_TOO_MANY');
  await begun(api, 10, { headers: theirs! });
});

void it('is bounded: number and bytes of open uploads, and size; each limit is named', async (context) => {
  const api = await startApi(context, { config: { maxFileSize: 3_000_000 } });
  assert.match(assertProblem(await begin(api, 3_000_001), 413, 'FILE_TOO_LARGE'), /3000000 bytes/);
  const large = await begun(api, 3_000_000);
  assert.match(
    assertProblem(await begin(api, 1_000_001), 413, 'UPLOADS_TOO_LARGE'),
    /more than 4000000 bytes.*RESUMABLE_UPLOAD_BYTES/,
  );
  await begun(api, 500_000);
  const used = await uploaded(api);
  const full = await begin(api, 10);
  assert.match(assertProblem(full, 429, 'UPLOADS_TOO_MANY'), /^3 uploads .*RESUMABLE_UPLOADS/);
  assert.ok(Number(full.headers.get('retry-after')) > 0);

  // One of which a job was made, and one that was deleted, are not open any more.
  assert.equal((await stemify(api, { upload_id: used })).status, 202);
  await begun(api, 10);
  assertProblem(await begin(api, 10), 429, 'UPLOADS_TOO_MANY');
  assert.equal((await remove(api, large)).status, 204);
  assert.equal((await head(api, large)).status, 404);
  const last = await begun(api, 1_000);

  assertProblem(await send(api, last, 0, new Uint8Array(1_001)), 413, 'FILE_TOO_LARGE');
  assertProblem(await begin(api, 0), 415, 'INPUT_EMPTY');
});

void it('making the job counts for the limits of POST /stemify, sending the song does not', async (context) => {
  const api = await startApi(context, {
    config: { rateLimit: 1, trustProxy: 'loopback' },
  });
  const from = { 'X-Forwarded-For': '192.0.2.7' };
  const id = await begun(api, api.song.length, { headers: from });
  for (let at = 0; at < api.song.length; at += 100_000)
    await send(api, id, at, api.song.subarray(at, at + 100_000), from);
  const first = await stemify(api, { upload_id: id }, from);
  assert.equal(first.status, 202);
  assert.equal(first.headers.get('ratelimit-remaining'), '0');
  assertProblem(await stemify(api, { upload_id: id }, from), 429, 'RATE_LIMITED');
});

void it('what is no tus, or no song, is refused in the form of all errors', async (context) => {
  const api = await startApi(context);
  const none = await call(api, '/uploads', { method: 'POST', headers: { 'Upload-Length': '1' } });
  assertProblem(none, 412, 'TUS_VERSION_UNSUPPORTED');
  assert.equal(none.headers.get('tus-version'), '1.0.0');
  const old = await call(api, '/uploads', {
    method: 'POST',
    headers: { 'Tus-Resumable': '0.2.2' },
  });
  assertProblem(old, 412, 'TUS_VERSION_UNSUPPORTED');
  for (const headers of [
    {},
    { 'Upload-Length': '-1' },
    { 'Upload-Length': '1e3' },
    { 'Upload-Defer-Length': '1' },
    { 'Upload-Length': '10', 'Upload-Concat': 'partial' },
    { 'Upload-Length': '10', 'Upload-Metadata': 'filename ***' },
  ] as Record<string, string>[]) {
    const answer = await call(api, '/uploads', { method: 'POST', headers: { ...TUS, ...headers } });
    assertProblem(answer, 400, 'REQUEST_INVALID');
    assert.equal(answer.headers.get('tus-resumable'), '1.0.0');
  }
  const id = await begun(api, 10);
  for (const headers of [
    { 'Content-Type': 'application/octet-stream' },
    { 'Upload-Offset': 'x' },
  ]) {
    assertProblem(await send(api, id, 0, new Uint8Array(10), headers), 400, 'REQUEST_INVALID');
  }
  assert.equal(await offsetOf(api, id), 0);
  assert.equal((await send(api, id, 0, new Uint8Array(10))).status, 204);
  assertProblem(await stemify(api, { upload_id: id }), 415, 'INPUT_NOT_AUDIO');
  assertProblem(await stemify(api, { upload_id: 'x' }), 422, 'INVALID_OPTION');
  assert.match(
    assertProblem(
      await stemify(api, { upload_id: id, youtube_url: 'https://youtu.be/x' }),
      422,
      'INVALID_OPTION',
    ),
    /a upload_id and a youtube_url/,
  );
  const get = await call(api, `/uploads/${id}`);
  assertProblem(get, 405, 'METHOD_NOT_ALLOWED');
  assert.equal(get.headers.get('allow'), 'PATCH, HEAD, DELETE, OPTIONS');
});

void it('a client that is too slow is ended, and goes on at its offset', async (context) => {
  const api = await startApi(context, {
    pace: { windowBytes: 10_000, windowMs: 300, totalMs: 60_000 },
  });
  const id = await begun(api, api.song.length);
  const slow = sendSome(api, id, {
    offset: 0,
    length: api.song.length,
    bytes: api.song.subarray(0, 9_000),
  });
  assert.equal((await answerOf(slow)).status, 408);
  slow.destroy();
  assert.equal(await offsetOf(api, id), 9_000);
});

void it('pages of other origins may use it; OPTIONS tells what it can do', async (context) => {
  const origin = 'https://app.example.org';
  const api = await startApi(context, { config: { corsOrigins: [origin] } });
  const allowed = await call(api, '/uploads/x', {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'PATCH',
      'Access-Control-Request-Headers': 'tus-resumable,upload-offset,content-type',
    },
  });
  assert.match(allowed.headers.get('access-control-allow-methods')!, /PATCH.*DELETE/);
  for (const name of ['Tus-Resumable', 'Upload-Length', 'Upload-Metadata', 'Upload-Offset'])
    assert.match(allowed.headers.get('access-control-allow-headers')!, new RegExp(name));
  const created = await begin(api, 10, { headers: { Origin: origin } });
  assert.equal(created.headers.get('access-control-allow-origin'), origin);
  for (const name of ['Location', 'Tus-Resumable', 'Upload-Offset', 'Upload-Length'])
    assert.match(created.headers.get('access-control-expose-headers')!, new RegExp(name));
  const foreign = await begin(api, 10, { headers: { Origin: 'https://evil.example.org' } });
  assertProblem(foreign, 403, 'ORIGIN_NOT_ALLOWED');

  for (const place of ['/uploads', '/uploads/x']) {
    const options = await call(api, place, { method: 'OPTIONS' });
    assert.equal(options.status, 204);
    assert.equal(options.headers.get('tus-version'), '1.0.0');
    assert.equal(
      options.headers.get('tus-extension'),
      'creation,creation-with-upload,termination,expiration',
    );
    assert.equal(options.headers.get('tus-max-size'), '2000000');
  }
});

void it('its Location has BASE_PATH, and what a proxy has removed', async (context) => {
  const api = await startApi(context, {
    config: { basePath: '/stems', trustProxy: 'loopback' },
  });
  const response = await fetch(`${api.url}/stems/api/v1/uploads`, {
    method: 'POST',
    headers: { ...TUS, 'Upload-Length': '10', 'X-Forwarded-Prefix': '/audio' },
  });
  assert.equal(response.status, 201);
  assert.match(response.headers.get('location')!, /^\/audio\/stems\/api\/v1\/uploads\/[0-9a-f-]+$/);
});

void it('a song can come with the request that begins the upload', async (context) => {
  const api = await startApi(context);
  const response = await fetch(`${api.url}/api/v1/uploads`, {
    method: 'POST',
    headers: {
      ...TUS,
      'Upload-Length': String(api.song.length),
      'Content-Type': 'application/offset+octet-stream',
    },
    body: new Uint8Array(api.song),
  });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get('upload-offset'), String(api.song.length));
  const id = response.headers.get('location')!.split('/').at(-1)!;
  assert.equal((await stemify(api, { upload_id: id })).status, 202);
});

void it('goes when its time is over: whole, begun or used', async (context) => {
  const api = await startApi(context);
  const { connection, sweeper } = await sweeperOf(api, context);
  const [open, whole] = [await begun(api, 10), await uploaded(api)];
  const used = await uploaded(api);
  assert.equal((await stemify(api, { upload_id: used })).status, 202);
  const expiry = async (id: string) =>
    Number(await connection.send(['ZSCORE', `${PREFIX}resumable`, id]));
  assert.ok((await expiry(used)) < (await expiry(open)) - 1_000_000, 'it goes sooner');
  await sweeper.sweep();
  assert.equal((await head(api, open)).status, 200);

  for (const id of [open, whole, used])
    await connection.send(['ZADD', `${PREFIX}resumable`, '1', id]);
  assert.equal((await head(api, open)).status, 404, 'also before the sweep');
  await sweeper.sweep();
  await sweeper.sweep();
  assert.deepEqual(filesOf(api), []);
  const left = (await connection.send(['KEYS', `${PREFIX}resumable*`])) as string[];
  assert.deepEqual(left, []);
  for (let count = 0; count < 3; count++) await begun(api, 10);
});

void it('a full disk is told before anything is sent', async (context) => {
  const api = await startApi(context, {
    config: { maxFileSize: 2 ** 50, resumableUploadBytes: 2 ** 52 },
  });
  assertProblem(await begin(api, 2 ** 49), 507, 'DISK_FULL');
  assert.deepEqual(filesOf(api), []);
  await begun(api, 10);
});
