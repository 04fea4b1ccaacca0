/** With API keys: who may do what, and what an attacker with another key may not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { apiDocument } from '../../src/http/openapi.js';
import { jobDocument } from '../../src/http/job-document.js';
import { jobList } from '../../src/http/routes/jobs.js';
import { complete, form, post, startApi, submit, takeJob } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';
import {
  ALICE,
  as,
  bearer,
  BOB,
  completed,
  documentOf,
  openSocket,
  ORIGIN,
  tokenOf,
  urlsOf,
  VOCALS,
} from '../support/tenants.js';
import { until } from '../support/until.js';

const api = await startApi({ after }, { apiKeys: [ALICE, BOB], config: { corsOrigins: [ORIGIN] } });

void describe('an API key', () => {
  it('is needed wherever the OpenAPI document says so, and nowhere else', async () => {
    const document = apiDocument('1.2.3', { keyed: true }) as {
      paths: Record<string, Record<string, { security?: object[] }>>;
    };
    assert.deepEqual((await call(api, '/openapi.json')).body, document);
    const result = await new Validator().validate(structuredClone(document));
    assert.ok(result.valid, JSON.stringify(result.errors));

    const open: string[] = [];
    for (const [pattern, operations] of Object.entries(document.paths)) {
      const path = pattern.replace('/api/v1', '').replaceAll(/\{\w+\}/g, 'x');
      for (const [method, { security }] of Object.entries(operations)) {
        const answer = await call(api, path, { method: method.toUpperCase() });
        if (security?.length === 0) {
          open.push(path);
          assert.equal(answer.status, 200, path);
          continue;
        }
        // An answer to HEAD has no document.
        if (method === 'head') assert.equal(answer.status, 401, path);
        else assertProblem(answer, 401, 'API_KEY_REQUIRED');
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="oxboard"');
        const known = await call(api, path, as(BOB, { method: method.toUpperCase() }));
        assert.notEqual(known.status, 401, path);
      }
    }
    assert.deepEqual(open, ['/health', '/health/live', '/health/ready', '/openapi.json', '/docs']);
  });

  it('is one of API_KEYS, whole, in the header and in no other place', async () => {
    const wrong = [
      `Bearer ${ALICE.slice(0, -1)}`,
      `Bearer ${ALICE}x`,
      `Bearer ${ALICE.toUpperCase()}`,
      `Bearer ${ALICE},${BOB}`,
      `Bearer ${ALICE} ${BOB}`,
      'Bearer undefined',
      'Bearer',
      `Basic ${ALICE}`,
      ALICE,
    ];
    for (const authorization of wrong) {
      const answer = await call(api, '/jobs', { headers: { Authorization: authorization } });
      assertProblem(answer, 401, 'API_KEY_INVALID');
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer .*invalid_token/);
    }
    for (const query of [`?token=${ALICE}`, `?api_key=${ALICE}`, `?access_token=${ALICE}`])
      assertProblem(await call(api, `/jobs${query}`), 401, 'API_KEY_REQUIRED');
    const other = { headers: { 'X-Api-Key': ALICE, Cookie: `token=${ALICE}` } };
    assertProblem(await call(api, '/jobs', other), 401, 'API_KEY_REQUIRED');
    const spelt = { headers: { Authorization: `bearer  ${ALICE}` } };
    assert.equal((await call(api, '/jobs', spelt)).status, 200);
  });

  it('is asked for before a byte of the song is taken', async () => {
    const asked = request(`${api.url}/api/v1/stemify`, {
      method: 'POST',
      headers: {
        'Content-Type': 'multipart/form-data; boundary=x',
        'Content-Length': 1_000_000,
        Expect: '100-continue',
      },
    });
    let told = false;
    asked.once('continue', () => (told = true));
    const answered = once(asked, 'response');
    asked.flushHeaders();
    const [response] = (await answered) as [IncomingMessage];
    assert.equal(response.statusCode, 401);
    assert.equal(told, false);
    asked.destroy();
  });
});

void describe('with another key', () => {
  it('a job is not there: neither to look at, nor to hear, to fetch or to remove', async () => {
    const id = await completed(api, { seed: '1' });
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const rest of ['', '/stems/vocals', '/stems.zip', '/events', '/ws']) {
      const answer = await call(api, `/jobs/${id}${rest}`, as(BOB));
      const detail = assertProblem(answer, 404, 'JOB_NOT_FOUND');
      const nowhere = await call(api, `/jobs/${unknown}${rest}`, as(BOB));
      assert.equal(assertProblem(nowhere, 404, 'JOB_NOT_FOUND'), detail);
    }
    const remove = await call(api, `/jobs/${id}`, as(BOB, { method: 'DELETE' }));
    assertProblem(remove, 404, 'JOB_NOT_FOUND');
    const { status } = await openSocket(api, `/jobs/${id}/ws`, { headers: bearer(BOB) });
    assert.equal(status, 404);
    assert.equal((await documentOf(api, id)).status, 'completed');
  });

  it('a job that others listen to is not there either', async () => {
    const id = await submit(api, { seed: '2' }, undefined, bearer(ALICE));
    const { socket, status } = await openSocket(api, `/jobs/${id}/ws`, {
      headers: bearer(ALICE),
    });
    assert.equal(status, 101);
    const late = await call(api, `/jobs/${id}/events`, as(BOB));
    assertProblem(late, 404, 'JOB_NOT_FOUND');
    socket.terminate();
    await call(api, `/jobs/${id}`, as(ALICE, { method: 'DELETE' }));
  });

  it('lists have one’s own jobs only, wherever a cursor comes from', async (context) => {
    const service = await startApi(context, { apiKeys: [ALICE, BOB] });
    const ids: Record<string, string[]> = { [ALICE]: [], [BOB]: [] };
    for (let n = 0; n < 3; n++)
      for (const key of [ALICE, BOB])
        ids[key]!.unshift(await submit(service, { seed: String(n) }, undefined, bearer(key)));
    const list = async (key: string, query = '') =>
      (await call(service, `/jobs${query}`, as(key))).as(jobList);
    const idsOf = ({ jobs }: { jobs: { job_id: string }[] }) => jobs.map((job) => job.job_id);
    assert.deepEqual(idsOf(await list(ALICE)), ids[ALICE]);
    assert.deepEqual(idsOf(await list(BOB, '?status=pending')), ids[BOB]);
    const { next_cursor: cursor } = await list(ALICE, '?limit=1');
    const query = `?cursor=${encodeURIComponent(cursor ?? '')}`;
    for (const id of idsOf(await list(BOB, query))) assert.ok(ids[BOB]!.includes(id));
    // URLs in a list are as good as those in a document.
    for (const { events_url: url } of (await list(ALICE)).jobs)
      assert.equal(
        (await call(service, url.replace('/api/v1', ''), { method: 'HEAD' })).status,
        200,
      );
  });

  it('the same Idempotency-Key is another one', async () => {
    const headers = { 'Idempotency-Key': 'song-1' };
    const idOf = async (key: string, seed: string) => {
      const response = await post(api, form(api.song, { seed }), { ...headers, ...bearer(key) });
      return [response.status, ((await response.json()) as { job_id?: string }).job_id];
    };
    const [status, id] = await idOf(ALICE, '31');
    assert.equal(status, 202);
    assert.deepEqual(await idOf(ALICE, '31'), [202, id]);
    const [other, otherId] = await idOf(BOB, '32');
    assert.equal(other, 202);
    assert.notEqual(otherId, id);
    await call(api, `/jobs/${id}`, as(ALICE, { method: 'DELETE' }));
    await call(api, `/jobs/${otherId}`, as(BOB, { method: 'DELETE' }));
  });

  it('the same song is computed again: a result tells nobody that another had it', async (context) => {
    const service = await startApi(context, { apiKeys: [ALICE, BOB] });
    const id = await completed(service);
    const again = await submit(service, {}, undefined, bearer(ALICE));
    const cached = await takeJob(service);
    assert.ok(cached.cached);
    assert.ok(await service.claims.complete(cached, cached.cached));

    const bobs = await submit(service, {}, undefined, bearer(BOB));
    const claim = await takeJob(service);
    assert.equal(claim.job.id, bobs);
    assert.equal(claim.cached, undefined);
    // Nor does an equal job of another wait for it.
    await call(service, `/jobs/${id}`, as(ALICE, { method: 'DELETE' }));
    await call(service, `/jobs/${again}`, as(ALICE, { method: 'DELETE' }));
    await submit(service, {}, undefined, bearer(ALICE));
    await takeJob(service);
  });
});

void describe('the rate limit', () => {
  it('counts each key by itself, from wherever it posts, and nobody without one', async (context) => {
    const config = { rateLimit: 2, trustProxy: 1 };
    const service = await startApi(context, { apiKeys: [ALICE, BOB], config });
    const statusOf = async (headers: Record<string, string>) =>
      (await post(service, form(service.song), headers)).status;
    for (let n = 0; n < 3; n++) assert.equal(await statusOf({}), 401);
    for (const from of ['203.0.113.1', '203.0.113.2'])
      assert.equal(await statusOf({ ...bearer(ALICE), 'X-Forwarded-For': from }), 202);
    assert.equal(await statusOf({ ...bearer(ALICE), 'X-Forwarded-For': '203.0.113.3' }), 429);
    assert.equal(await statusOf(bearer(BOB)), 202);
  });
});

void describe('without API keys', () => {
  it('there is one tenant, whatever is shown, and URLs carry nothing', async (context) => {
    const service = await startApi(context);
    const id = await submit(service, {}, undefined, bearer(ALICE));
    await complete(service, await takeJob(service), { vocals: VOCALS });
    const body = (await call(service, `/jobs/${id}`)).as(jobDocument);
    assert.equal(body.events_url, `/api/v1/jobs/${id}/events`);
    assert.equal(body.ws_url, `/api/v1/jobs/${id}/ws`);
    assert.equal(body.result!.zip_url, `/api/v1/jobs/${id}/stems.zip`);
    assert.equal((await call(service, `/jobs/${id}/stems/vocals?token=x`)).status, 200);
    assert.equal((await call(service, `/jobs/${id}`, as('any key'))).status, 200);
  });
});

void describe('keys and tokens', () => {
  it('are in no log, and not in Redis, which knows tenants by a hash', async () => {
    const id = await completed(api, { seed: '10' });
    const { stem } = await urlsOf(api, id);
    const token = tokenOf(stem);
    await call(api, stem);
    await call(api, `${stem}x`);
    await call(api, `/jobs${stem.slice(stem.indexOf('?'))}`);
    const line = await until(() =>
      api.logged().findLast(({ path, tenant }) => path === `/api/v1/jobs/${id}` && tenant),
    );
    assert.match(String(line.tenant), /^[0-9a-f]{32}$/);
    const log = JSON.stringify(api.logged());
    for (const secret of [ALICE, BOB, token.split('.')[2]!]) assert.ok(!log.includes(secret));

    // All that it ever was told is in its file.
    const folder = path.dirname(new URL(api.redis.url).pathname);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.aof'))
      .map((name) => readFileSync(path.join(folder, name), 'latin1'));
    const told = files.join('');
    assert.ok(told.includes(id) && told.includes(String(line.tenant)));
    for (const secret of [ALICE, BOB, token]) assert.ok(!told.includes(secret));
  });
});
