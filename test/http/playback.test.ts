/** Chunks and peaks over HTTP, while a job runs and afterwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OxboardClient, ServiceError } from '../../src/client/index.js';
import type { JobDocument } from '../../src/http/job-document.js';
import { chunkKey, peaksKey } from '../../src/jobs/record.js';
import type { Claim } from '../../src/jobs/ports.js';
import { startApi, submit, takeJob, type TestApi } from '../support/api.js';

const KEY = 'k'.repeat(32);
const FRAMES = 441_000 + 300;
const STEMS = ['vocals', 'mixture'];
/** Pixels that are complete in the first chunk, and in the song. */
const [FIRST_PIXELS, PIXELS] = [1722, 1724];
const rowsOf = (pixels: number) =>
  Int8Array.from(
    { length: pixels * 4 },
    (_, at) => ((at >> 2) % 100) * (at % 2 ? 1 : -1) - (at & 2),
  );

const begin = (api: TestApi, claim: Claim, signature = 'a') =>
  api.claims.beginPlayback(claim, { signature, sampleRate: 44_100, stems: STEMS });

async function publish(api: TestApi, claim: Claim, resultId: string, chunksReady: number) {
  for (const stem of STEMS) {
    const bytes = Buffer.from(`${stem} ${String(chunksReady - 1)}`);
    await api.storage.putBytes(chunkKey(resultId, stem, chunksReady - 1), bytes);
  }
  const rows = rowsOf(chunksReady === 1 ? FIRST_PIXELS : PIXELS);
  await api.storage.putBytes(peaksKey(resultId), new Uint8Array(rows.buffer));
  await api.claims.published(claim, { frames: FRAMES, chunks: 2, chunksReady });
}

void test('chunks can be had as soon as they are published, and not before', async (context) => {
  const api = await startApi(context, { apiKeys: [KEY] });
  const headers = { Authorization: `Bearer ${KEY}` };
  const id = await submit(api, {}, undefined, headers);
  const document = async () =>
    (await (await fetch(`${api.url}/api/v1/jobs/${id}`, { headers })).json()) as JobDocument;
  assert.equal((await document()).playback, null);
  const claim = await takeJob(api);
  const { playback: made } = (await begin(api, claim)) ?? assert.fail();

  const before = (await document()).playback ?? assert.fail();
  assert.deepEqual(
    [before.chunks_ready, before.chunks_total, before.generation, before.scale],
    [0, null, 1, 0.25],
  );
  assert.deepEqual(Object.keys(before.stems), STEMS);
  assert.equal(before.stems.vocals?.gain, null);
  // The URL has a token: no header is needed.
  const urlOf = ({ stems }: NonNullable<JobDocument['playback']>, number: number) =>
    api.url + (stems.vocals?.chunk_url.replace('{n}', String(number)) ?? '');
  const early = await fetch(urlOf(before, 0));
  assert.equal(early.status, 404);
  assert.equal(((await early.json()) as { code: string }).code, 'CHUNK_NOT_READY');
  assert.equal(early.headers.get('cache-control'), 'no-store');
  assert.ok(Number(early.headers.get('retry-after')) > 0);

  await publish(api, claim, made.resultId, 1);
  const during = (await document()).playback ?? assert.fail();
  assert.deepEqual([during.chunks_ready, during.chunks_total], [1, 2]);
  const response = await fetch(urlOf(during, 0));
  assert.equal(await response.text(), 'vocals 0');
  assert.equal(response.headers.get('content-type'), 'audio/flac');
  assert.match(response.headers.get('cache-control') ?? '', /immutable/);
  const etag = response.headers.get('etag') ?? assert.fail();
  const known = await fetch(urlOf(during, 0), { headers: { 'If-None-Match': etag } });
  assert.equal(known.status, 304);
  const part = await fetch(urlOf(during, 0), { headers: { Range: 'bytes=2-3' } });
  assert.deepEqual([part.status, await part.text()], [206, 'ca']);
  assert.equal((await fetch(urlOf(during, 1))).status, 404, 'the next one');

  const client = new OxboardClient({ baseUrl: api.url, apiKey: KEY });
  const hasCode = (code: string) => (error: unknown) =>
    error instanceof ServiceError && error.code === code;
  const { playback } = await client.job(id);
  assert.ok(playback);
  assert.equal(Buffer.from(await client.chunk(playback, 'mixture', 0)).toString(), 'mixture 0');
  await assert.rejects(client.chunk(playback, 'vocals', 1), hasCode('CHUNK_NOT_READY'));
  await assert.rejects(client.chunk(playback, 'vocals', 2), hasCode('CHUNK_NOT_FOUND'));
  await assert.rejects(client.chunk(playback, 'drums', 0), hasCode('STEM_NOT_FOUND'));

  const other = api.url + (during.stems.vocals?.chunk_url.replace(id, crypto.randomUUID()) ?? '');
  assert.equal((await fetch(other.replace('{n}', '0'))).status, 401, 'the token is for one job');
  const bare = `${api.url}/api/v1/jobs/${id}/stems/vocals/chunks/0`;
  assert.equal((await fetch(bare)).status, 401);

  const second = (await begin(api, claim, 'b')) ?? assert.fail();
  assert.deepEqual([second.playback.generation, second.chunksReady], [2, 0]);
  await assert.rejects(client.chunk(playback, 'vocals', 0), hasCode('CHUNK_NOT_FOUND'));
  await assert.rejects(client.peaks(playback, 'vocals'), hasCode('CHUNK_NOT_FOUND'));
});

void test('peaks are a complete file of what is final, from any pixel on', async (context) => {
  const api = await startApi(context);
  const id = await submit(api);
  const claim = await takeJob(api);
  const { playback: made } = (await begin(api, claim)) ?? assert.fail();
  const client = new OxboardClient({ baseUrl: api.url });
  const { playback } = await client.job(id);
  assert.ok(playback);
  assert.equal((await client.peaks(playback, 'vocals')).data.length, 0);

  await publish(api, claim, made.resultId, 1);
  const first = await client.peaks(playback, 'mixture');
  assert.deepEqual([first.sampleRate, first.framesPerPixel], [44_100, 256]);
  assert.equal(first.data.length, FIRST_PIXELS * 2);
  assert.deepEqual([...first.data.subarray(20, 22)], [-12, 8], 'of the second stem');
  await publish(api, claim, made.resultId, 2);
  const rest = await client.peaks(playback, 'mixture', { from: FIRST_PIXELS });
  assert.equal(rest.data.length, (PIXELS - FIRST_PIXELS) * 2);
  assert.equal((await client.peaks(playback, 'vocals', { from: 99_999 })).data.length, 0);

  const url = `${api.url}${playback.stems.vocals?.peaksUrl ?? ''}?from=1`;
  const json = await fetch(url, { headers: { Accept: 'application/json' } });
  const { data, ...fields } = (await json.json()) as { data: number[] };
  assert.deepEqual(fields, {
    version: 2,
    channels: 1,
    sample_rate: 44_100,
    samples_per_pixel: 256,
    bits: 8,
    length: PIXELS - 1,
  });
  assert.deepEqual(data.slice(0, 2), [-1, 1]);
  const binary = await fetch(url);
  assert.equal(binary.headers.get('content-type'), 'application/octet-stream');
  assert.equal((await binary.arrayBuffer()).byteLength, 24 + (PIXELS - 1) * 2);
});

void test('a list of jobs has neither playback nor manifest', async (context) => {
  const api = await startApi(context);
  await submit(api);
  await begin(api, await takeJob(api));
  const list = (await (await fetch(`${api.url}/api/v1/jobs`)).json()) as { jobs: object[] };
  assert.equal(list.jobs.length, 1);
  assert.ok(!('playback' in list.jobs[0]!));
});
