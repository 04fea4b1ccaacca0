/** POST /stemify: what makes a job, and what is refused with which code. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { jobDocument } from '../../src/http/job-document.js';
import { accepted } from '../../src/http/routes/stemify.js';
import { connectRedis } from '../../src/redis/connection.js';
import {
  ANNOUNCEMENT,
  form,
  post,
  startApi,
  submit,
  takeJob,
  type TestApi,
} from '../support/api.js';
import { makeAudio, temporaryFolder, wavFile } from '../support/audio.js';
import { assertProblem, call } from '../support/contract.js';
import { recordingLogger } from '../support/logs.js';
import { until } from '../support/until.js';

/** Everything that lies in the folder of the service, uploads in the storage apart. */
function leftovers({ folder }: TestApi): string[] {
  const incoming = path.join(folder, 'incoming');
  return existsSync(incoming)
    ? readdirSync(incoming, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
    : [];
}

async function uploads({ storage }: TestApi): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list('uploads/')) keys.push(key);
  return keys;
}

// Made before the first request: ffmpeg holds up this process, and idle connections are closed meanwhile.
const folder = temporaryFolder({ after });
const audio = (name: string, options: Parameters<typeof makeAudio>[2]) =>
  readFileSync(makeAudio(path.join(folder, name), '0', options));
const sevenSeconds = audio('seven.wav', { seconds: 7 });
/** In a few bytes. */
const minuteAndMore = audio('long.flac', { seconds: 61, sampleRate: 8000 });

/** Silence takes few bits: from the size of the file ffmpeg would guess minutes. */
const quiet = readFileSync(
  makeAudio(path.join(folder, 'quiet.aac'), 'gt(t\\,4)*(random(0)-0.5)', {
    seconds: 30,
    options: ['-b:a', '256k'],
  }),
);
/** With a header that tells its length. */
const whole = readFileSync(
  makeAudio(path.join(folder, 'whole.mp3'), 'random(0)-0.5', { seconds: 70 }),
);

const api = await startApi({ after });

void describe('a song that is posted', () => {
  const send = async (body: FormData, headers: Record<string, string> = {}) =>
    call(api, '/stemify', { method: 'POST', body, headers });

  it('makes a job with all defaults filled in, the upload kept under its id', async () => {
    const answer = await send(form(api.song, {}, '../../Łódź "live".wav'), {
      'X-Request-Id': 'from-my-proxy',
    });
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.get('x-request-id'), 'from-my-proxy');
    const { job_id: id, status, estimated_duration: estimated, message } = answer.as(accepted);
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.equal(status, 'pending');
    assert.ok(estimated > 0);
    assert.equal(typeof message, 'string');
    assert.equal(answer.headers.get('location'), `/api/v1/jobs/${id}`);

    const job = (await call(api, `/jobs/${id}`)).as(jobDocument);
    assert.equal(job.name, 'Łódź "live".wav');
    assert.equal(job.duration_seconds, 1);
    assert.equal(job.model, 'htdemucs');
    const { seed, ...options } = job.options;
    assert.ok(Number.isInteger(seed));
    assert.deepEqual(options, {
      output_format: 'wav',
      bit_depth: '16',
      bitrate: null,
      sample_rate: 'model',
      stems: null,
      two_stems: null,
      other_method: 'add',
      clip_mode: 'rescale',
      mix: null,
      mixture_consistent: false,
      start: null,
      end: null,
      track: null,
      allow_damaged: false,
      shifts: 0,
      overlap: 0.25,
      segment: null,
    });
    const stored: Buffer[] = [];
    for await (const chunk of await api.storage.read(`uploads/${id}`)) stored.push(chunk as Buffer);
    assert.deepEqual(Buffer.concat(stored), api.song);
    assert.deepEqual(leftovers(api), []);
    const claim = await takeJob(api);
    assert.equal(claim.job.requestId, 'from-my-proxy');
    assert.ok(api.logged().some((line) => line.event === 'job_admitted' && line.job_id === id));
  });

  it('loses nothing of a name that has a backslash, which no file may have everywhere', async () => {
    const { job_id: id } = (await send(form(api.song, {}, 'AC\\DC - TNT.mp3'))).as(accepted);
    assert.equal((await call(api, `/jobs/${id}`)).as(jobDocument).name, 'AC_DC - TNT.mp3');
  });

  it('takes every field, in the form of texts', async () => {
    const id = await submit(api, {
      model: 'htdemucs',
      output_format: 'mp3',
      bitrate: '192',
      sample_rate: '48000',
      stems: ['vocals, drums', 'bass'],
      clip_mode: 'tanh',
      shifts: '2',
      overlap: '0.5',
      segment: '5.5',
      seed: '4294967295',
      two_stems: '',
      mix: ['band=drums+bass', 'low=bass'],
      mixture_consistent: 'false',
      start: '0.25',
      end: '0:00.75',
      track: '1',
      allow_damaged: 'true',
    });
    const body = (await call(api, `/jobs/${id}`)).as(jobDocument);
    assert.deepEqual(body.options, {
      output_format: 'mp3',
      bit_depth: '16',
      bitrate: 192,
      sample_rate: 48_000,
      stems: ['vocals', 'drums', 'bass'],
      two_stems: null,
      other_method: 'add',
      clip_mode: 'tanh',
      mix: ['band=drums+bass', 'low=bass'],
      mixture_consistent: false,
      start: 0.25,
      end: 0.75,
      track: 1,
      allow_damaged: true,
      shifts: 2,
      overlap: 0.5,
      segment: 5.5,
      seed: 4_294_967_295,
    });
  });

  const refused: [fields: Record<string, string | string[]>, detail: RegExp][] = [
    [{ shifts: 'many' }, /^Expected integer from 0 to 100 for shifts but received "many"/],
    [{ start: '1' }, /time before the end of the song \(1\.000 s\) for start but received 1/],
    [{ track: '2' }, /^Expected 1 \(the file has one\) for track but received 2/],
    [{ mix: 'band=drums+base' }, /for mix but received "base" \(did you mean "bass"\?\)/],
    [{ mixture_consistent: 'maybe' }, /^Expected boolean for mixture_consistent/],
    [{ mixture_consistent: 'true', clip_mode: 'clamp' }, /for clip_mode but received "clamp"/],
    [{ shifts: '-1' }, /for shifts but received -1/],
    [{ shifts: '1.5' }, /for shifts/],
    [{ overlap: '1' }, /for overlap but received 1/],
    [{ overlap: 'NaN' }, /for overlap/],
    [{ overlap: '0.99', shifts: '100' }, /1\.0 s of audio are .* work as 11700 s .* up to 1200 s/],
    [
      { segment: '0.001' },
      /work as 7821 s .* Choose fewer shifts, less overlap or a longer segment/,
    ],
    [{ segment: '1e-300' }, /seconds from 0\.00005 up to 7\.80 .* for segment but received 1e-300/],
    [{ segment: '5e-324' }, /for segment but received 5e-324/],
    [{ segment: '1e-400' }, /for segment but received 0/],
    [{ output_format: 'exe' }, /one of wav, flac, mp3, opus, m4a for output_format/],
    [{ output_format: ['wav', 'mp3'] }, /for output_format but received array/],
    [{ bit_depth: '8' }, /for bit_depth/],
    [{ output_format: 'flac', bit_depth: '32f' }, /16, 24 \(flac\) for bit_depth/],
    [{ bitrate: '320' }, /no value \(wav is lossless\) for bitrate/],
    [{ output_format: 'mp3', sample_rate: '96000' }, /for sample_rate but received 96000/],
    [{ sample_rate: '1' }, /model, keep or an integer from 8000 to 192000 for sample_rate/],
    [
      { stems: 'vocals,piano' },
      /^Expected one of drums, bass, other, vocals for stems but received "piano"$/,
    ],
    [{ stems: 'vocal' }, /for stems but received "vocal" \(did you mean "vocals"\?\)$/],
    [{ stems: ',' }, /for stems/],
    [{ two_stems: 'Bass' }, /for two_stems but received "Bass" \(did you mean "bass"\?\)$/],
    [{ two_stems: 'vocals', stems: 'drums' }, /not both/],
    [{ other_method: 'x' }, /for other_method/],
    [{ clip_mode: 'x' }, /for clip_mode/],
    [{ normalize: 'maybe' }, /^Expected true or false for normalize but received "maybe"/],
    [{ normalize: ['true', 'false'] }, /true or false for normalize but received array/],
    [
      { normalize: 'true', clip_mode: 'clamp' },
      /^normalize=true means clip_mode=rescale, but .* Send only one of the two fields$/,
    ],
    [{ normalize: 'false', clip_mode: 'rescale' }, /^normalize=false means clip_mode=clamp/],
    [{ segment: '0' }, /for segment/],
    [{ segment: '100' }, /up to 7\.80 \(htdemucs\) for segment but received 100/],
    [{ seed: '4294967296' }, /for seed/],
    [{ model: ['a', 'b'] }, /for model/],
    [{ shift: '1' }, /Misspelled field "shift" should be "shifts"/],
    [{ 'x\ny': '1' }, /Unknown field "x\\r?\\ny"/],
    [{ constructor: '1' }, /Unknown field "constructor"/],
    [
      { client_reference: 'x'.repeat(201) },
      /^Expected text of up to 200 characters for client_reference/,
    ],
    [{ client_reference: ['a', 'b'] }, /for client_reference but received array/],
    [{ youtube_url: 'https://youtu.be/x' }, /a file and a youtube_url. Send only one/],
  ];
  it('is refused with the name of the field that is wrong, and nothing is kept', async () => {
    const before = await uploads(api);
    for (const [fields, detail] of refused) {
      const answer = await send(form(api.song, fields));
      assert.match(assertProblem(answer, 422, 'INVALID_OPTION'), detail, JSON.stringify(fields));
    }
    assert.deepEqual(await uploads(api), before);
    assert.deepEqual(leftovers(api), []);
  });

  it('is expected to take as long as its options are work', async (context) => {
    const idle = await startApi(context);
    const send = async (fields: Record<string, string>) =>
      call(idle, '/stemify', { method: 'POST', body: form(sevenSeconds, fields) });
    for (const [fields, segments] of [
      [{}, 2],
      [{ segment: '0.1' }, 94],
      [{ segment: '0.1', overlap: '0.5' }, 140],
      // Each of the three also over the half second by which it may be shifted.
      [{ shifts: '3', segment: '1' }, 3 * 10],
    ] as const) {
      const answer = await send(fields);
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      const { job_id: id, estimated_duration: seconds } = answer.as(accepted);
      await call(idle, `/jobs/${id}`, { method: 'DELETE' });
      // A segment brings 5.85 s of new audio, at twice the speed of the song; told to 0.1 s.
      const expected = (segments * 5.85) / 2;
      assert.ok(
        Math.abs(seconds - expected) < 0.06,
        `${String(seconds)} is not ${String(expected)}`,
      );
    }
    assertProblem(await send({ segment: '0.001' }), 422, 'INVALID_OPTION');
  });

  it('needs a model that the workers have', async () => {
    const answer = await send(form(api.song, { model: 'mdx' }));
    const detail = assertProblem(answer, 422, 'MODEL_NOT_FOUND');
    assert.equal(detail, 'The workers have no model "mdx". Installed: htdemucs');
  });

  it('has to be audio, whatever its name says', async () => {
    const text = assertProblem(
      await send(form(Buffer.from('#EXTM3U\nfile:///etc/passwd\n'), {}, 'song.mp3')),
      415,
      'INPUT_NOT_AUDIO',
    );
    assert.match(text, /^"song.mp3" cannot be decoded as audio \(.+\)$/);
    assertProblem(await send(form(Buffer.alloc(0), {}, 'song.mp3')), 415, 'INPUT_EMPTY');
    assertProblem(await send(form(Buffer.alloc(5000), {}, 'a\nb.mp3')), 415, 'INPUT_NOT_AUDIO');

    assertProblem(await send(form(wavFile(Buffer.alloc(0)))), 415, 'INPUT_EMPTY');
    const many = wavFile(Buffer.alloc(255 * 2 * 1000), { channels: 255 });
    assert.match(
      assertProblem(await send(form(many)), 415, 'INPUT_NOT_AUDIO'),
      /255 channels; up to 64/,
    );
    const samples = new Float32Array(88_200);
    samples[50_000] = NaN;
    const notFinite = wavFile(new Uint8Array(samples.buffer), { bits: 32, format: 3 });
    assert.match(
      assertProblem(await send(form(notFinite)), 415, 'INPUT_NOT_FINITE'),
      /^"song.wav" holds NaN or Inf. Repair it/,
    );

    // What it would become is known from its header.
    const detail = assertProblem(
      await send(form(minuteAndMore, {}, 'long.flac')),
      413,
      'AUDIO_TOO_LONG',
    );
    assert.match(detail, /61\.0 s; .* up to 60 s/);
    assert.deepEqual(leftovers(api), []);
  });

  it('has the length of its packets, whatever its header says', async () => {
    const length = async (bytes: Buffer, name: string) => {
      const { job_id: id } = (await send(form(bytes, {}, name))).as(accepted);
      return (await call(api, `/jobs/${id}`)).as(jobDocument).duration_seconds ?? 0;
    };
    const seconds = await length(quiet, 'quiet.aac');
    assert.ok(Math.abs(seconds - 30) < 0.2, String(seconds));

    const cut = await length(whole.subarray(0, 200_000), 'cut.mp3');
    assert.ok(Math.abs(cut - (70 * 200_000) / whole.length) < 0.5, String(cut));
  });

  it('comes as the one file of a multipart form', async () => {
    assertProblem(
      await call(api, '/stemify', {
        method: 'POST',
        body: '{"file": ',
        headers: { 'Content-Type': 'application/json' },
      }),
      415,
      'MEDIA_TYPE_UNSUPPORTED',
    );
    assertProblem(await call(api, '/stemify', { method: 'POST' }), 415, 'MEDIA_TYPE_UNSUPPORTED');
    const withoutBoundary = { 'Content-Type': 'multipart/form-data' };
    assertProblem(
      await call(api, '/stemify', { method: 'POST', body: 'x', headers: withoutBoundary }),
      400,
      'REQUEST_INVALID',
    );
    assert.match(
      assertProblem(await send(form(undefined)), 422, 'INVALID_OPTION'),
      /no song\. Send a file/,
    );
    const asText = assertProblem(await send(form(undefined, { file: 'x' })), 422, 'INVALID_OPTION');
    assert.match(asText, /has to be a file/);

    const other = form(undefined);
    other.append('song', new Blob(['x']), 'song.wav');
    assert.match(assertProblem(await send(other), 400, 'REQUEST_INVALID'), /in the field "file"/);
    const two = form(api.song);
    two.append('file', new Blob(['x']), 'song.wav');
    assertProblem(await send(two), 400, 'REQUEST_INVALID');
    assert.deepEqual(leftovers(api), []);
  });

  it('is one job for one Idempotency-Key, and a conflict with another song or option', async () => {
    const key = { 'Idempotency-Key': 'order-66' };
    const first = await send(form(api.song, { shifts: '1' }), key);
    const kept = await uploads(api);
    const second = await send(form(api.song, { shifts: '1' }, 'another name.wav'), key);
    assert.equal(second.status, 202);
    assert.equal(second.as(accepted).job_id, first.as(accepted).job_id);
    assert.equal(second.headers.get('location'), first.headers.get('location'));
    assertProblem(await send(form(api.song), key), 409, 'IDEMPOTENCY_CONFLICT');
    const song = Buffer.from(api.song);
    song[1000]! ^= 1;
    for (const fields of [{ shifts: '1' }, { client_reference: 'order-66' }])
      assertProblem(await send(form(song, fields), key), 409, 'IDEMPOTENCY_CONFLICT');
    assert.deepEqual(await uploads(api), kept);

    // A job that was cancelled stays the job of its key.
    const id = first.as(accepted).job_id;
    await call(api, `/jobs/${id}`, { method: 'DELETE' });
    const third = await send(form(api.song, { shifts: '1' }), key);
    assert.equal(third.status, 202);
    assert.deepEqual(
      { id: third.as(accepted).job_id, status: third.as(accepted).status },
      { id, status: 'cancelled' },
    );

    for (const wrong of ['x'.repeat(256), 'a b', 'é']) {
      const answer = await send(form(api.song), { 'Idempotency-Key': wrong });
      assertProblem(answer, 400, 'REQUEST_INVALID');
    }
  });
});

void describe('clients without API keys', () => {
  it('take turns, each with its address or IPv6 network', async (context) => {
    const api = await startApi(context, { config: { trustProxy: true } });
    const from = (address: string, seed: string) =>
      submit(api, { seed, shifts: '1' }, undefined, { 'x-forwarded-for': address });
    const first = [await from('2001:db8::1', '1'), await from('2001:db8::2', '2')];
    const other = await from('192.0.2.1', '3');
    const order: string[] = [];
    for (let count = 0; count < 3; count++) order.push((await takeJob(api)).job.id);
    assert.deepEqual(order, [first[0], other, first[1]]);
  });
});

void describe('a song for a service that cannot take it', () => {
  it('is told when no worker has ever announced its models', async (context) => {
    const api = await startApi(context, { worker: null });
    const answer = await call(api, '/stemify', { method: 'POST', body: form(api.song) });
    assertProblem(answer, 503, 'NO_WORKER');
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.deepEqual(leftovers(api), []);
  });

  it('waits for workers that were there before', async (context) => {
    const api = await startApi(context);
    await api.workers.withdraw(ANNOUNCEMENT.id);
    assert.equal((await post(api, form(api.song))).status, 202);
  });

  it('is refused without a running worker where the operator wants that', async (context) => {
    const api = await startApi(context, { config: { queueWithoutWorkers: false } });
    assert.equal((await post(api, form(api.song))).status, 202);
    await api.workers.withdraw(ANNOUNCEMENT.id);
    const answer = await call(api, '/stemify', { method: 'POST', body: form(api.song) });
    assertProblem(answer, 503, 'NO_WORKER');
    assert.deepEqual(leftovers(api), []);
  });

  it('is told that Redis refuses writes, and so does the readiness', async (context) => {
    const api = await startApi(context);
    const redis = await connectRedis(
      { redisUrl: api.redis.url, redisDb: 0 },
      recordingLogger().logger,
    );
    context.after(() => redis.close());
    await redis.send(['CONFIG', 'SET', 'maxmemory', '1']);
    const answer = await call(api, '/stemify', { method: 'POST', body: form(api.song) });
    assertProblem(answer, 503, 'REDIS_REFUSES_WRITES');
    assert.match((answer.body as { detail: string }).detail, /refuses writes.*maxmemory/);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.deepEqual(await uploads(api), []);
    const ready = await call(api, '/health/ready');
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.body, { status: 'not_ready', missing: ['redis_writes'] });
    assert.equal((await call(api, '/health')).status, 200);

    await redis.send(['CONFIG', 'SET', 'maxmemory', '0']);
    assert.equal((await call(api, '/health/ready')).status, 200);
    assert.equal((await post(api, form(api.song))).status, 202);
  });

  it('is told when Redis does not answer, and leaves nothing', async (context) => {
    const api = await startApi(context);
    await api.redis.stop();
    const answer = await call(api, '/stemify', { method: 'POST', body: form(api.song) });
    assertProblem(answer, 503, 'REDIS_UNAVAILABLE');
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.deepEqual(await uploads(api), []);
    assert.deepEqual(leftovers(api), []);
    await api.redis.start();
    await until(async () => ((await post(api, form(api.song))).status === 202 ? true : undefined));
  });
});
