/** Webhooks of the real service, of which a process is killed while it delivers one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { connectQueue } from '../../src/queue/connection.js';
import { PREFIX } from '../../src/queue/keys.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { recordingLogger } from '../support/logs.js';
import { silence, startReceiver, status } from '../support/receiver.js';
import { startRedis } from '../support/redis.js';
import { ask, startService, type JobDocument } from '../support/service.js';
import { until } from '../support/until.js';

const KEY = 'the-key-of-the-tenant-of-this-test';
const SECRET = 'a secret of the service and its receivers';
const WITH_KEY = { headers: { Authorization: `Bearer ${KEY}` } };

const redis = await startRedis({ after });
const receiver = await startReceiver({ after }, silence, status(204), silence);
const service = await startService({ after }, ['serve', '--processes', '1'], {
  REDIS_URL: redis.url,
  DEMUCS_THREADS: '1',
  API_KEYS: KEY,
  WEBHOOK_SECRET: SECRET,
  WEBHOOK_ALLOW_PRIVATE: 'true',
});

const song = makeAudio(
  path.join(temporaryFolder({ after }), 'song.wav'),
  '0.3*sin(440*t)|0.3*sin(300*t)',
);

async function submit(): Promise<string> {
  const form = new FormData();
  form.set('callback_url', receiver.url);
  form.set('stems', 'vocals');
  form.set('file', new Blob([readFileSync(song)]), 'song.wav');
  const answer = await ask<{ job_id: string }>(service, '/stemify', {
    method: 'POST',
    body: form,
    ...WITH_KEY,
  });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return answer.body.job_id;
}

describe('a webhook', () => {
  it('is told again when its process is killed in the middle of it, by the next one', async () => {
    const id = await submit();
    await receiver.received(1);
    const [pid] = service.pids('api');
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    // Instead of the time that a process has for a delivery.
    const { logger } = recordingLogger();
    const connection = await connectQueue({ redisUrl: redis.url, redisDb: 0 }, logger);
    await connection.send(['ZADD', `${PREFIX}webhooks`, 'XX', '0', id]);
    await connection.close();

    const [killed, told] = await receiver.received(2);
    assert.equal(killed!.headers['webhook-id'], id);
    assert.equal(told!.headers['webhook-id'], id);
    const webhook = new Webhook(SECRET, { format: 'raw' });
    for (const { body: text, headers } of [killed!, told!]) webhook.verify(text, headers);

    const job = await until(async () => {
      const answer = await ask<JobDocument & { webhook: { status: string; attempts: number } }>(
        service,
        `/jobs/${id}`,
        WITH_KEY,
      );
      return answer.body.webhook.status === 'delivered' && answer.body;
    }, 'the delivery');
    assert.equal(job.webhook.attempts, 2);

    // What the receiver was told is enough to fetch the stems: it has no key.
    const document = JSON.parse(told!.body) as JobDocument;
    const { url, sha256 } = document.result!.stems.vocals!;
    const stem = await fetch(new URL(url, service.url));
    assert.equal(stem.status, 200);
    const bytes = Buffer.from(await stem.arrayBuffer());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  });

  it('leaves no secret in the log', () => {
    const text = JSON.stringify(service.logs());
    for (const secret of [SECRET, receiver.url, 'for=test', 'token=ey']) {
      assert.ok(!text.includes(secret), secret);
    }
    assert.ok(service.logs().some(({ event }) => event === 'webhook_delivered'));
  });

  it('keeps the service from stopping no longer than others do, should its receiver hang', async () => {
    await submit();
    await receiver.received(3);
    const { signal } = await service.kill('SIGTERM');
    assert.equal(signal, 'SIGTERM');
  });
});
