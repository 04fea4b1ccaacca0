/** Resumable uploads into a bucket. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, it, type TestContext } from 'node:test';
import { PREFIX } from '../../src/queue/keys.js';
import { startApi, takeJob } from '../support/api.js';
import { assertProblem } from '../support/contract.js';
import { s3Config, startS3 } from '../support/s3.js';
import {
  begun,
  head,
  offsetOf,
  remove,
  send,
  sendSome,
  stemify,
  sweeperOf,
} from '../support/tus.js';
import { until } from '../support/until.js';

const s3 = await startS3({ after });

async function start(context: TestContext) {
  const { dataDir: _, ...place } = s3Config(s3, await s3.bucket(), 'oxboard/one');
  const config = { maxFileSize: 40_000_000, resumableUploadBytes: 80_000_000 };
  const api = await startApi(context, { place, config });
  return { api, other: await startApi(context, { place, config, beside: api }) };
}

const PART = 8 * 2 ** 20;

void it('come in parts, over two processes and a cut connection, and become a job', async (context) => {
  const { api, other } = await start(context);
  // 12 MB: more than a part of the bucket, and less than two.
  const file = path.join(api.folder, 'long.wav');
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'anoisesrc=d=50:c=pink:r=48000:a=0.3'],
    ...['-c:a', 'pcm_f32le', '-ac', '1', '-t', '50', '-f', 'wav', file],
  ]);
  const song = Buffer.concat([readFileSync(file)]);
  assert.ok(song.length > PART && song.length < 2 * PART);
  const id = await begun(api, song.length);
  const cut = sendSome(api, id, {
    offset: 0,
    length: song.length,
    bytes: song.subarray(0, PART + 500_000),
  });
  await until(() => s3.requests.some((request) => /^PUT .*partNumber=1/.test(request)));
  cut.destroy();

  const offset = await offsetOf(other, id);
  assert.ok(offset > 0 && offset <= PART + 500_000, String(offset));
  assertProblem(await stemify(api, { upload_id: id }), 409, 'UPLOAD_INCOMPLETE');
  assert.equal((await send(other, id, offset, song.subarray(offset))).status, 204);
  assert.equal(await offsetOf(api, id), song.length);

  const answer = await stemify(api, { upload_id: id });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const { source } = (await takeJob(api)).job.request;
  const stored = await (await api.storage.read(source.key!)).toArray();
  assert.ok(Buffer.concat(stored as Buffer[]).equals(song));
});

void it('leave nothing in the bucket: objects or parts', async (context) => {
  const { api } = await start(context);
  const { connection, sweeper } = await sweeperOf(api, context);
  const { storage } = api;
  const bytes = randomBytes(PART + 1_000_000);
  const ids = [await begun(api, 20_000_000), await begun(api, 20_000_000)];
  for (const id of ids) assert.equal((await send(api, id, 0, bytes)).status, 204);
  // Less than a part waits as an object of its own.
  assert.equal(await offsetOf(api, ids[0]!), bytes.length);

  assert.equal((await remove(api, ids[0]!)).status, 204);
  await connection.send(['ZADD', `${PREFIX}resumable`, '1', ids[1]!]);
  // A slow bucket has a removal tried again later.
  const left = async () => {
    const keys = [];
    for await (const { key } of storage.list('resumable/')) keys.push(key);
    return keys;
  };
  await until(async () => {
    await sweeper.sweep();
    return (await left()).length === 0;
  }, 'an empty bucket');
  const bucket = /^PUT (\/bucket-\d+)\/.*partNumber/.exec(
    s3.requests.findLast((request) => request.includes('partNumber'))!,
  )![1]!;
  const uploads = async () => (await fetch(`${s3.url}${bucket}?uploads`)).text();
  await until(async () => !(await uploads()).includes('<UploadId>'), 'the end of all parts');
});

void it('wait while the bucket is away: nobody is told that they are gone', async (context) => {
  const { api, other } = await start(context);
  const bytes = randomBytes(1_000_000);
  const id = await begun(api, bytes.length);
  s3.fault = 'denied';
  assert.equal((await head(other, id)).status, 503);
  assertProblem(await send(other, id, 0, bytes), 503, 'STORAGE_UNAVAILABLE');
  s3.fault = undefined;
  assert.equal((await send(other, id, await offsetOf(other, id), bytes)).status, 204);
  assert.equal(await offsetOf(api, id), bytes.length);
});
