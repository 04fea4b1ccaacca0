/**
 * OX Board's own front end (docs/ox-board.md): its calls, one by one, as its client makes them from a
 * page of its own origin.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { complete, startApi, takeJob } from '../support/api.js';

const PAGE = 'http://localhost:3000';
const STEMS = ['vocals', 'drums', 'bass', 'other'];

const api = await startApi({ after }, { config: { corsOrigins: [PAGE] } });

/** What its client reads of any answer. */
interface Seen {
  job_id: string;
  status: string;
  progress: number;
  /** Of a job, or of an error answer. */
  error?: string | null;
  error_code: string | null;
  created_at: string;
  updated_at: string;
  result: { stems: Record<string, { url: string }>; metadata: Record<string, unknown> } | null;
}

/** A call from the page: a browser hands the answer over only with CORS headers for its origin. */
async function fromPage(path: string, init: RequestInit = {}) {
  const response = await fetch(`${api.url}/api/v1${path}`, {
    ...init,
    headers: { Origin: PAGE, 'Sec-Fetch-Site': 'cross-site' },
  });
  assert.equal(response.headers.get('access-control-allow-origin'), PAGE);
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Seen };
}

async function upload(
  fields: Record<string, string> = {},
  file: string | Uint8Array<ArrayBuffer> = new Uint8Array(api.song),
) {
  const body = new FormData();
  body.append('file', new Blob([file]), 'My song.wav');
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return fromPage('/stemify', { method: 'POST', body });
}

void describe("OX Board's front end", () => {
  it('is allowed by the preflight of a browser', async () => {
    for (const method of ['POST', 'DELETE']) {
      const { status, headers } = await fetch(`${api.url}/api/v1/jobs/x`, {
        method: 'OPTIONS',
        headers: { Origin: PAGE, 'Access-Control-Request-Method': method },
      });
      assert.equal(status, 204);
      assert.equal(headers.get('access-control-allow-origin'), PAGE);
      assert.match(headers.get('access-control-allow-methods') ?? '', new RegExp(method));
    }
  });

  it('finds the service healthy, with what it shows of the queue', async () => {
    const { status, body } = await fromPage('/health');
    assert.equal(status, 200);
    const health = body as unknown as Record<string, unknown>;
    assert.equal(typeof health.version, 'string');
    assert.equal(health.status, 'healthy');
    assert.deepEqual(health.models_available, ['htdemucs']);
    assert.deepEqual(health.queue_status, {
      active_jobs: 0,
      queued_jobs: 0,
      workers_available: 1,
    });
  });

  it('uploads a song with normalize, polls to the end, and gets four stems and metadata', async () => {
    const fields = { model: 'htdemucs', output_format: 'flac', normalize: 'true' };
    const { status, body } = await upload(fields);
    assert.equal(status, 202, JSON.stringify(body));
    const poll = async () => (await fromPage(`/jobs/${body.job_id}`)).body;

    const pending = await poll();
    assert.deepEqual(
      [pending.job_id, pending.status, pending.progress, pending.error, pending.result],
      [body.job_id, 'pending', 0, null, null],
    );
    const claim = await takeJob(api);
    assert.equal(claim.job.request.options.clipMode, 'rescale');
    assert.equal((await poll()).status, 'processing');
    const bytes = Object.fromEntries(STEMS.map((name) => [name, Buffer.from(name)]));
    await complete(api, claim, bytes);

    const {
      status: end,
      progress,
      result,
      created_at: created,
      updated_at: updated,
    } = await poll();
    assert.deepEqual([end, progress], ['completed', 100]);
    assert.ok(Date.parse(created) <= Date.parse(updated));
    assert.deepEqual(result?.metadata, {
      original_filename: 'My song.wav',
      duration: 1,
      format: 'flac',
      model: 'htdemucs',
    });
    assert.deepEqual(Object.keys(result.stems).sort(), [...STEMS].sort());
    for (const [name, { url }] of Object.entries(result.stems)) {
      const stem = await fetch(new URL(url, api.url), { headers: { Origin: PAGE } });
      assert.equal(await stem.text(), name);
      assert.equal(stem.headers.get('access-control-allow-origin'), PAGE);
    }
  });

  it('chooses the clip mode by normalize, in every way that its backend took', async () => {
    for (const [normalize, clipMode] of [
      ['true', 'rescale'],
      ['1', 'rescale'],
      ['on', 'rescale'],
      ['false', 'clamp'],
      ['No', 'clamp'],
    ] as const) {
      const { status, body } = await upload({ normalize });
      assert.equal(status, 202, JSON.stringify(body));
      const claim = await takeJob(api);
      assert.equal(claim.job.request.options.clipMode, clipMode);
      await fromPage(`/jobs/${body.job_id}`, { method: 'DELETE' });
    }
    assert.equal((await upload({ normalize: 'false', clip_mode: 'clamp' })).status, 202);
    await takeJob(api);
  });

  it('shows the reason of each refusal, which it reads in `error`', async () => {
    const refused: [answer: Awaited<ReturnType<typeof upload>>, status: number, error: RegExp][] = [
      [await upload({ model: 'htdemucs_ft' }), 422, /no model "htdemucs_ft"\. Installed: htdemucs/],
      [await upload({ output_format: 'aac' }), 422, /for output_format but received "aac"/],
      [await upload({}, 'no song'), 415, /^"My song.wav" cannot be decoded as audio/],
      [await upload({}, new Uint8Array(3_000_000)), 413, /larger than this service takes/],
      [await fromPage('/jobs/x'), 404, /no such job/],
      [await fromPage('/jobs/x', { method: 'DELETE' }), 404, /no such job/],
    ];
    for (const [{ status, body }, expected, error] of refused) {
      assert.equal(status, expected);
      assert.match(body.error ?? '', error);
    }
  });

  it('shows why a job failed, as a sentence', async () => {
    const { body } = await upload();
    const failure = { code: 'OUT_OF_MEMORY', message: 'The memory for tensors ran out' };
    await api.claims.fail(await takeJob(api), failure);
    const { status, error, error_code: code } = (await fromPage(`/jobs/${body.job_id}`)).body;
    assert.deepEqual([status, error, code], ['failed', failure.message, failure.code]);
  });

  it('deletes a job', async () => {
    const { body } = await upload();
    assert.equal((await fromPage(`/jobs/${body.job_id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await fromPage(`/jobs/${body.job_id}`)).body.status, 'cancelled');
    assert.equal((await fromPage(`/jobs/${body.job_id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await fromPage(`/jobs/${body.job_id}`)).status, 404);
  });
});
