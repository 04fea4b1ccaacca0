/** How many jobs a client may post, and how many requests may come to nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { form, startApi, type TestApi } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';
import { connectRedis } from '../../src/redis/connection.js';
import { recordingLogger } from '../support/logs.js';
import { until } from '../support/until.js';

/** Behind a proxy, clients are told apart by the address that it passes on. */
const ALICE = '192.0.2.1';
const from = (address: string) => ({ 'X-Forwarded-For': address });

const limited = async (
  context: Parameters<typeof startApi>[0],
  config: { rateLimit?: number; refusalLimit?: number },
) => startApi(context, { config: { rateLimitPeriod: 600, trustProxy: 1, ...config } });

const send = async (
  api: TestApi,
  fields: Record<string, string> = {},
  headers: Record<string, string> = from(ALICE),
) => call(api, '/stemify', { method: 'POST', body: form(api.song, fields), headers });

const left = ({ headers }: { headers: Headers }): string | null =>
  headers.get('ratelimit-remaining');

void describe('the limit of jobs', () => {
  it('counts accepted jobs of a client, and names itself, what is left and when', async (context) => {
    const api = await limited(context, { rateLimit: 2 });
    const first = await send(api, {}, from('2001:db8::1'));
    assert.equal(first.headers.get('ratelimit-limit'), '2');
    assert.equal(left(first), '1');
    // The same client: it has the whole network.
    assert.equal((await send(api, {}, from('2001:db8::2'))).status, 202);
    const third = await send(api, {}, from('2001:db8::3'));
    assert.match(
      assertProblem(third, 429, 'RATE_LIMITED'),
      /accepts 2 jobs in 600 s from one client \(API_RATE_LIMIT\), and none is left\. Try again in \d+ s$/,
    );
    assert.equal(left(third), '0');
    const wait = Number(third.headers.get('retry-after'));
    assert.ok(wait > 0 && wait <= 600, String(wait));
    assert.equal((await send(api)).status, 202);
    // Nothing else counts.
    for (let n = 0; n < 3; n++)
      assert.equal((await call(api, '/jobs', { headers: from('2001:db8::3') })).status, 200);
  });

  it('is not used up by refusals, broken uploads and replays', async (context) => {
    const api = await limited(context, { rateLimit: 3 });
    const key = { ...from(ALICE), 'Idempotency-Key': 'order-66' };
    assert.equal(left(await send(api, {}, key)), '2');
    for (let n = 0; n < 3; n++) {
      const refused = await send(api, { shifts: 'many' });
      assertProblem(refused, 422, 'INVALID_OPTION');
      assert.equal(left(refused), '2');
      const replayed = await send(api, {}, key);
      assert.equal(replayed.status, 202);
      assert.equal(left(replayed), '2');
      assertProblem(
        await call(api, '/stemify', { method: 'POST', headers: from(ALICE) }),
        415,
        'MEDIA_TYPE_UNSUPPORTED',
      );
    }
    const socket = connect(api.port, '127.0.0.1');
    socket.write(
      'POST /api/v1/stemify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n' +
        `Content-Type: multipart/form-data; boundary=x\r\nX-Forwarded-For: ${ALICE}\r\n\r\n--x`,
    );
    // While the body comes, a place is taken. A request that is refused takes none.
    const untilLeft = async (places: string) =>
      until(async () => left(await send(api, { shifts: 'many' })) === places);
    await untilLeft('1');
    socket.destroy();
    await once(socket, 'close');
    await untilLeft('2');
  });

  it('is not passed by many uploads at once', async (context) => {
    const api = await limited(context, { rateLimit: 3 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(api)));
    const accepted = answers.filter(({ status }) => status === 202);
    assert.equal(accepted.length, 3);
    assert.ok(answers.every(({ status }) => status === 202 || status === 429));
  });

  it('counts on after Redis has lost its scripts', async (context) => {
    const api = await limited(context, { rateLimit: 2 });
    assert.equal(left(await send(api)), '1');
    const { logger } = recordingLogger();
    const redis = await connectRedis({ redisUrl: api.redis.url, redisDb: 0 }, logger);
    await redis.send(['SCRIPT', 'FLUSH']);
    await redis.close();
    assert.equal(left(await send(api)), '0');
  });

  it('does not bind clients on this machine, unless a proxy may speak for others', async (context) => {
    const api = await startApi(context, { config: { rateLimit: 1 } });
    for (let n = 0; n < 3; n++) assert.equal((await send(api, {}, {})).status, 202);
    assert.equal((await send(api)).status, 202);
    assertProblem(await send(api), 429, 'RATE_LIMITED');
  });
});

void describe('the limit of refusals', () => {
  it('counts what makes no job, and says what is left of the jobs', async (context) => {
    const api = await limited(context, { rateLimit: 5, refusalLimit: 3 });
    const key = { ...from(ALICE), 'Idempotency-Key': 'order-66' };
    assert.equal((await send(api, {}, key)).status, 202);
    assert.equal((await send(api, {}, key)).status, 202);
    for (let n = 0; n < 2; n++)
      assertProblem(await send(api, { shifts: 'many' }), 422, 'INVALID_OPTION');
    const detail = assertProblem(await send(api), 429, 'RATE_LIMITED');
    assert.match(
      detail,
      /^3 requests of this client in 600 s made no job, .* \(API_REFUSAL_LIMIT\)\. Jobs left: 4 of 5\. /,
    );
    assert.equal((await send(api, {}, from('192.0.2.9'))).status, 202);
  });

  it('does not count uploads that are still coming', async (context) => {
    const api = await limited(context, { rateLimit: 5, refusalLimit: 1 });
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(api)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  });

  it('does not count failures of the service, nor accepted jobs', async (context) => {
    const api = await startApi(context, {
      worker: null,
      config: { rateLimitPeriod: 600, trustProxy: 1, rateLimit: 5, refusalLimit: 1 },
    });
    for (let n = 0; n < 3; n++) assertProblem(await send(api), 503, 'NO_WORKER');
  });
});
