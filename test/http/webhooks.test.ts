/** callback_url from the form to the receiver, by the API as it runs. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { after, describe, it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { encodeJob, jobDocument, type JobDocument } from '../../src/http/job-document.js';
import { jobList } from '../../src/http/routes/jobs.js';
import { createTenants } from '../../src/http/tenants.js';
import { connectQueue } from '../../src/queue/connection.js';
import { createDeliveries } from '../../src/queue/deliveries.js';
import { createDeliverer } from '../../src/webhooks/deliverer.js';
import type { Retries } from '../../src/webhooks/retries.js';
import { createSender } from '../../src/webhooks/sender.js';
import { complete, form, post, startApi, submit, takeJob } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';
import { recordingLogger } from '../support/logs.js';
import { silence, startReceiver, status, type Delivery } from '../support/receiver.js';
import { until } from '../support/until.js';

const SECRET = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const RETRIES: Retries = { firstMs: 100, mostMs: 400, forMs: 60_000 };
/** The default of the tests: what reaches a receiver reaches one of this machine. */
const config = { webhookSecret: SECRET, webhookAllowPrivate: true };

const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing) await close();
});
const api = await startApi({ after }, { config });
const tenants = createTenants({ apiKeys: [], tokenTtl: 3600 });

/** What a process of the API has to deliver with. */
async function startDelivering({ retries = RETRIES, answerMs = 10_000, leaseMs = 20_000 } = {}) {
  const { logger, events } = recordingLogger();
  const connection = await connectQueue({ redisUrl: api.redis.url, redisDb: 0 }, logger);
  const deliverer = createDeliverer({
    deliveries: createDeliveries(connection, { leaseMs }),
    sender: createSender({ secret: SECRET, allowPrivate: true, version: '1', answerMs }),
    document: (job) => encodeJob(job, { base: '', tokens: tenants }),
    logger,
    metrics: api.metrics,
    retries,
    pollMs: 20,
  });
  deliverer.start();
  let stopping: Promise<void> | undefined;
  const stop = (graceMs = 5_000) =>
    (stopping ??= deliverer.stop(graceMs).then(() => connection.close()));
  closing.push(() => stop(0));
  return { stop, events };
}

const get = async (id: string): Promise<JobDocument> =>
  (await call(api, `/jobs/${id}`)).as(jobDocument);

const untilWebhook = (id: string, state: string): Promise<JobDocument> =>
  until(async () => {
    const job = await get(id);
    return job.webhook?.status === state ? job : undefined;
  });

const cancel = (id: string) => call(api, `/jobs/${id}`, { method: 'DELETE' });

const bodyOf = ({ body, headers }: Delivery): JobDocument =>
  jobDocument.parse(new Webhook(SECRET).verify(body, headers));

describe('the end of a job', () => {
  it('is posted as the document of the job, signed, when it is complete', async (context) => {
    const { stop, events } = await startDelivering();
    const receiver = await startReceiver(context);
    const id = await submit(api, { callback_url: receiver.url });
    const pending = await get(id);
    assert.equal(pending.webhook!.url, receiver.url);
    assert.equal(pending.webhook!.status, 'pending');
    assert.equal(pending.webhook!.next_attempt_at, null);
    assert.equal(pending.options.callback_url, undefined);
    await complete(api, await takeJob(api), { vocals: randomBytes(100) });

    const [delivery] = await receiver.received(1);
    const told = bodyOf(delivery!);
    assert.equal(delivery!.headers['webhook-id'], id);
    assert.equal(told.status, 'completed');
    assert.equal(told.webhook!.attempts, 1);
    const job = await untilWebhook(id, 'delivered');
    assert.deepEqual({ ...told, webhook: null }, { ...job, webhook: null });
    assert.equal(job.webhook!.last_status, 204);
    assert.equal(job.webhook!.last_error, null);
    assert.equal(job.webhook!.next_attempt_at, null);
    await stop();

    const line = events.find(({ event }) => event === 'webhook_delivered');
    assert.ok(line);
    assert.equal(line.job_id, id);
    assert.equal(line.host, new URL(receiver.url).host);
    assert.ok(!JSON.stringify(events).includes('/hook'), 'the URL is in the log');
    assert.equal(receiver.deliveries.length, 1);
  });

  it('is posted when it failed, and when it was cancelled, waiting or at work', async (context) => {
    const { stop } = await startDelivering();
    const receiver = await startReceiver(context);
    const failed = await submit(api, { callback_url: receiver.url });
    await api.claims.fail(await takeJob(api), { code: 'INPUT_NOT_AUDIO', message: 'no audio' });
    const working = await submit(api, { callback_url: receiver.url });
    await takeJob(api);
    await cancel(working);
    const waiting = await submit(api, { callback_url: receiver.url });
    await cancel(waiting);

    const told = (await receiver.received(3)).map(bodyOf);
    assert.deepEqual(
      Object.fromEntries(told.map((job) => [job.job_id, [job.status, job.error_code]])),
      {
        [failed]: ['failed', 'INPUT_NOT_AUDIO'],
        [working]: ['cancelled', null],
        [waiting]: ['cancelled', null],
      },
    );
    await stop();
    assert.equal(receiver.deliveries.length, 3);
  });

  it('is posted again with growing waits, with the same id and a new time, until it is taken', async (context) => {
    const { stop, events } = await startDelivering();
    const receiver = await startReceiver(
      context,
      status(500),
      status(302, { location: 'http://169.254.169.254/' }),
      (response) => void response.destroy(),
      status(404),
      status(200),
    );
    const id = await submit(api, { callback_url: receiver.url });
    await cancel(id);
    const job = await untilWebhook(id, 'delivered');
    assert.equal(job.webhook!.attempts, 5);
    assert.equal(job.webhook!.last_status, 200);
    const deliveries = receiver.deliveries;
    assert.equal(deliveries.length, 5);
    assert.deepEqual(
      new Set(deliveries.map(({ headers }) => headers['webhook-id'])),
      new Set([id]),
    );
    assert.deepEqual(
      deliveries.map((delivery) => bodyOf(delivery).webhook!.attempts),
      [1, 2, 3, 4, 5],
    );
    const waits = deliveries.slice(1).map(({ at }, index) => at - deliveries[index]!.at);
    // Less the share by which they differ: 100, 300 and then 400 ms.
    for (const [at, least] of [90, 270, 360, 360].entries()) {
      assert.ok(waits[at]! >= least, `waits of ${waits.map(Math.round).join(', ')} ms`);
    }
    await stop();
    assert.deepEqual(
      events
        .filter(({ event }) => event === 'webhook_postponed')
        .map((line) => line.status ?? line.error),
      [500, 302, 'the connection failed (UND_ERR_SOCKET)', 404],
    );
  });

  it('is given up when the receiver says 410, and when the time for it is over', async (context) => {
    const first = await startDelivering();
    const gone = await startReceiver(context, status(410));
    const left = await submit(api, { callback_url: gone.url });
    await cancel(left);
    const job = await untilWebhook(left, 'failed');
    assert.equal(job.webhook!.last_status, 410);
    assert.equal(job.webhook!.attempts, 1);
    await first.stop();

    const { stop, events } = await startDelivering({
      retries: { firstMs: 50, mostMs: 50, forMs: 300 },
    });
    const broken = await startReceiver(context, ...Array.from({ length: 50 }, () => status(307)));
    const id = await submit(api, { callback_url: broken.url });
    await cancel(id);
    const end = await untilWebhook(id, 'failed');
    assert.equal(end.webhook!.last_error, 'the receiver answered 307; redirects are not followed');
    assert.equal(end.webhook!.next_attempt_at, null);
    assert.equal(end.webhook!.attempts, broken.deliveries.length);
    assert.ok(broken.deliveries.length > 1);
    assert.ok(events.some(({ event, level }) => event === 'webhook_failed' && level === 'warn'));
    await stop();
  });

  it('is posted once by many processes, and one receiver that hangs keeps nobody else waiting', async (context) => {
    // Nothing runs out before this test ends what hangs.
    const limits = { answerMs: 600_000, leaseMs: 600_000 };
    const processes = [await startDelivering(limits), await startDelivering(limits)];
    const held: ServerResponse[] = [];
    const hanging = await startReceiver(context, (response) => held.push(response));
    const receiver = await startReceiver(context);
    const slow = await submit(api, { callback_url: hanging.url });
    const ids = await Promise.all(
      Array.from({ length: 10 }, () => submit(api, { callback_url: receiver.url })),
    );
    await cancel(slow);
    await hanging.received(1);
    await Promise.all(ids.map(cancel));
    await receiver.received(10);
    for (const id of ids) await untilWebhook(id, 'delivered');
    assert.equal((await get(slow)).webhook!.last_error, null, 'it was still hanging');
    held[0]!.destroy();
    await untilWebhook(slow, 'delivered');
    assert.equal(hanging.deliveries.length, 2);
    for (const { stop } of processes) await stop();
    assert.deepEqual(
      receiver.deliveries.map(({ headers }) => headers['webhook-id']).toSorted(),
      ids.toSorted(),
    );
  });

  it('is left to another process when one stops in the middle of it', async (context) => {
    const receiver = await startReceiver(context, silence);
    // Who waited for the answer would wait for ever.
    const first = await startDelivering({ leaseMs: 1_000, answerMs: 600_000 });
    const id = await submit(api, { callback_url: receiver.url });
    await cancel(id);
    await receiver.received(1);
    await first.stop(50);
    assert.equal((await get(id)).webhook!.status, 'pending');
    const second = await startDelivering();
    const [one, two] = await receiver.received(2);
    assert.equal(one!.headers['webhook-id'], two!.headers['webhook-id']);
    await untilWebhook(id, 'delivered');
    await second.stop();
  });

  it('is not told any more when the finished job is removed', async (context) => {
    const receiver = await startReceiver(context, status(500));
    const { stop } = await startDelivering({
      retries: { firstMs: 2_000, mostMs: 2_000, forMs: 60_000 },
    });
    const id = await submit(api, { callback_url: receiver.url });
    await cancel(id);
    await until(async () => (await get(id)).webhook!.last_status ?? undefined);
    assert.equal((await cancel(id)).status, 204);
    assertProblem(await call(api, `/jobs/${id}`), 404, 'JOB_NOT_FOUND');

    const next = await submit(api, { callback_url: `${receiver.url}&next` });
    await cancel(next);
    await untilWebhook(next, 'delivered');
    await stop();
    assert.deepEqual(
      receiver.deliveries.map(({ headers }) => headers['webhook-id']),
      [id, next],
    );
  });
});

describe('callback_url', () => {
  const send = async (fields: Record<string, string | string[]>, to = api, key?: string) => {
    const response = await post(to, form(to.song, fields), key ? { 'Idempotency-Key': key } : {});
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const count = async () => (await call(api, '/jobs?limit=100')).as(jobList).jobs.length;

  it('is part of what an Idempotency-Key stands for', async () => {
    const fields = { callback_url: 'https://example.org/a' };
    const first = await send(fields, api, 'key-1');
    const again = await send(fields, api, 'key-1');
    assert.equal(first.status, 202);
    assert.equal((again.body as JobDocument).job_id, (first.body as JobDocument).job_id);
    for (const other of ['https://example.org/b', ''])
      assertProblem(await send({ callback_url: other }, api, 'key-1'), 409, 'IDEMPOTENCY_CONFLICT');
  });

  it('is refused without WEBHOOK_SECRET', async (context) => {
    const silent = await startApi(context);
    assertProblem(
      await send({ callback_url: 'https://example.org/' }, silent),
      422,
      'WEBHOOKS_DISABLED',
    );
    assert.equal((await send({ callback_url: '' }, silent)).status, 202);
  });

  it('is refused when it is no URL of the public Internet, with nothing asked and nothing kept', async (context) => {
    const guarded = await startApi(context, { config: { webhookSecret: SECRET } });
    const receiver = await startReceiver(context);
    for (const url of [
      receiver.url,
      'file:///etc/passwd',
      '-oProxyCommand=x',
      'https://user:password@example.org/',
      'https://example.org:8443/',
      'https://example.org/\r\nHost: x',
      ['https://example.org/', 'https://example.org/'],
    ]) {
      assertProblem(await send({ callback_url: url }, guarded), 422, 'INVALID_OPTION');
    }
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      '017700000001',
      '2130706433',
      'localhost',
      '[::1]',
    ]) {
      const answer = await send({ callback_url: `http://${host}/` }, guarded);
      assertProblem(answer, 422, 'ADDRESS_NOT_PUBLIC');
    }
    assert.deepEqual((await call(guarded, '/jobs')).as(jobList).jobs, []);
    assert.deepEqual(receiver.deliveries, []);
    assert.equal((await send({ callback_url: 'https://example.org/' }, guarded)).status, 202);
  });

  it('is seen by nobody who only has the token of a URL', async () => {
    const before = await count();
    assert.ok(before > 0);
    const id = await submit(api, { callback_url: 'https://example.org/?secret=of-the-receiver' });
    const events = await fetch(`${api.url}/api/v1/jobs/${id}/events`);
    await cancel(id);
    assert.ok(!(await events.text()).includes('of-the-receiver'));
  });
});
