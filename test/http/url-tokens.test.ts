/** Browsers, which get by with the URLs of a job's document, and attackers, who get nowhere with them. */
import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { runInThisContext } from 'node:vm';
import { EventSource } from 'eventsource';
import { base64url, decodeProtectedHeader, SignJWT } from 'jose';
import { createTenants } from '../../src/http/tenants.js';
import { complete, form, startApi, submit, takeJob, TOKEN_TTL } from '../support/api.js';
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

void describe('a browser', () => {
  it('hears of a job and plays its stems by the URLs in its document, without a header', async (context) => {
    const id = await submit(api, { seed: '4' }, undefined, bearer(ALICE));
    const { events_url: eventsUrl, ws_url: wsUrl } = await documentOf(api, id);
    const source = new EventSource(new URL(eventsUrl, api.url));
    context.after(() => source.close());
    const begun = once(source, 'progress');
    const heard = once(source, 'completed') as Promise<[{ data: string }]>;
    const { messages, status } = await openSocket(api, wsUrl.replace('/api/v1', ''), {
      origin: ORIGIN,
    });
    assert.equal(status, 101);
    await begun;
    await complete(api, await takeJob(api), { vocals: VOCALS });
    const [{ data }] = await heard;
    assert.equal((JSON.parse(data) as { job_id: string }).job_id, id);
    await until(() => messages.find((message) => message.includes('"completed"')));

    const { stem, zip } = await urlsOf(api, id);
    const part = await call(api, stem, { headers: { Range: 'bytes=4-8', Origin: ORIGIN } });
    assert.equal(part.status, 206);
    assert.deepEqual(part.bytes, VOCALS.subarray(4, 9));
    assert.equal(part.headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal(part.headers.get('cross-origin-resource-policy'), 'cross-origin');
    assert.equal(part.headers.get('referrer-policy'), 'no-referrer');
    assert.match(part.headers.get('cache-control') ?? '', /private/);
    assert.equal((await call(api, stem, { method: 'HEAD' })).status, 200);
    assert.equal((await call(api, zip)).status, 200);
    // A proxy that asks for a password of its own makes browsers send it along.
    const proxied = { headers: { Authorization: 'Basic dXNlcjpwYXNz' } };
    assert.equal((await call(api, stem, proxied)).status, 200);
  });

  it('and its server get to the stems by the example of docs/service.md', async (context) => {
    const page = readFileSync(new URL('../../docs/service.md', import.meta.url), 'utf8');
    const example =
      [...page.matchAll(/^```js\n(.*?)^```$/gms)]
        .map(([, code]) => code ?? '')
        .find((code) => code.includes('events_url')) ?? '';
    assert.ok(example.includes("'http://localhost:8000'"));
    const sources: EventSource[] = [];
    context.after(() => sources.forEach((source) => source.close()));
    const audio = { src: '' };
    const surroundings = {
      key: ALICE,
      form: form(api.song, { seed: '40' }),
      audio,
      EventSource: class extends EventSource {
        constructor(url: string) {
          super(url);
          sources.push(this);
        }
      },
    };
    const code = example.replace('http://localhost:8000', api.url);
    const names = Object.keys(surroundings).join(', ');
    const run = runInThisContext(`(async ({ ${names} }) => {${code}})`) as (
      given: typeof surroundings,
    ) => Promise<void>;
    await run(surroundings);
    await complete(api, await takeJob(api), { vocals: VOCALS });
    const src = await until(() => audio.src || undefined);
    const played = await fetch(src, { headers: { Range: 'bytes=0-' } });
    assert.deepEqual(Buffer.from(await played.arrayBuffer()), VOCALS);
  });

  it('of an allowed origin may send its key, and can read why it is refused', async () => {
    const preflight = await fetch(`${api.url}/api/v1/jobs`, {
      method: 'OPTIONS',
      headers: {
        Origin: ORIGIN,
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'authorization',
      },
    });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Authorization/);
    const refused = await call(api, '/jobs', { headers: { Origin: ORIGIN } });
    assertProblem(refused, 401, 'API_KEY_REQUIRED');
    assert.equal(refused.headers.get('access-control-allow-origin'), ORIGIN);
  });

  it('gets the same URL for a while, and a new one before the old one ends', async (context) => {
    const id = await completed(api, { seed: '5' });
    // The beginning of a part of a token's life.
    const start = Math.ceil(Date.now() / 1000 / TOKEN_TTL) * TOKEN_TTL * 1000;
    context.mock.timers.enable({ apis: ['Date'], now: start });
    const elapse = (share: number) => context.mock.timers.setTime(start + share * TOKEN_TTL * 1000);
    const { stem, events, ws } = await urlsOf(api, id);
    elapse(0.24);
    assert.equal((await urlsOf(api, id)).stem, stem);
    elapse(0.3);
    const next = await urlsOf(api, id);
    assert.notEqual(next.stem, stem);
    elapse(0.99);
    assert.equal((await call(api, stem)).status, 200);
    elapse(1.01);
    for (const url of [stem, events, ws]) {
      const detail = assertProblem(await call(api, url), 401, 'TOKEN_INVALID');
      assert.match(detail, /expired/);
    }
    assert.equal((await call(api, next.stem)).status, 200);
    // The key opens an old URL too.
    assert.equal((await call(api, stem, as(ALICE))).status, 200);
    elapse(1.3);
    assertProblem(await call(api, next.stem), 401, 'TOKEN_INVALID');
  });
});

void describe('the token of a URL', () => {
  it('reads what belongs to its job, and does nothing else', async () => {
    const id = await completed(api, { seed: '6' });
    const other = await completed(api, { seed: '7' });
    const token = tokenOf((await urlsOf(api, id)).stem);
    const query = `?token=${token}`;
    for (const rest of ['/stems/vocals', '/stems.zip', '/events', '/ws']) {
      const answer = await call(api, `/jobs/${other}${rest}${query}`);
      assertProblem(answer, 401, 'TOKEN_INVALID');
    }
    const beyond: [string, string][] = [
      ['GET', `/jobs/${id}`],
      ['DELETE', `/jobs/${id}`],
      ['GET', '/jobs'],
      ['GET', '/models'],
      ['POST', '/stemify'],
      ['DELETE', `/jobs/${id}/stems/vocals`],
    ];
    for (const [method, path] of beyond)
      assertProblem(await call(api, path + query, { method }), 401, 'API_KEY_REQUIRED');
    // It is no key either.
    assertProblem(await call(api, '/jobs', as(token)), 401, 'API_KEY_INVALID');
    // A wrong key beside it is wrong all the same.
    const mixed = await call(api, `/jobs/${id}/stems/vocals${query}`, as('nobody'));
    assertProblem(mixed, 401, 'API_KEY_INVALID');

    await call(api, `/jobs/${id}`, as(ALICE, { method: 'DELETE' }));
    assertProblem(await call(api, `/jobs/${id}/stems/vocals${query}`), 404, 'JOB_NOT_FOUND');
  });

  it('cannot be made without the key, nor out of another', async () => {
    const id = await completed(api, { seed: '8' });
    const { stem } = await urlsOf(api, id);
    const token = tokenOf(stem);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const { kid = '' } = decodeProtectedHeader(token);
    const later = Math.floor(Date.now() / 1000) + 600;
    const claims = { sub: id, exp: later };
    const encode = (value: object) => base64url.encode(JSON.stringify(value));
    const keyOf = (text: string) =>
      new Uint8Array(hkdfSync('sha256', text, '', 'oxboard token of a URL', 32));
    const signed = async (key: Uint8Array, head: { alg: string; kid?: string }, body: object) =>
      new SignJWT({ ...body }).setProtectedHeader(head).sign(key);
    const head = { alg: 'HS256', kid };

    // The way in which it is made is no secret; with the right key this one would do.
    const good = await signed(keyOf(ALICE), head, claims);
    assert.equal((await call(api, `/jobs/${id}/stems/vocals?token=${good}`)).status, 200);
    const bad: Record<string, string> = {
      'with the key of another': await signed(keyOf(BOB), head, claims),
      'with a key that everybody knows': await signed(new Uint8Array(32), head, claims),
      'with the public part of the key': await signed(Buffer.from(kid, 'hex'), head, claims),
      'of another algorithm': await signed(
        Buffer.concat([keyOf(ALICE), Buffer.alloc(32)]),
        { ...head, alg: 'HS512' },
        claims,
      ),
      'without an end': await signed(keyOf(ALICE), head, { sub: id }),
      'without a job': await signed(keyOf(ALICE), head, { exp: later }),
      'without a signature': `${encode({ alg: 'none', kid })}.${encode(claims)}.`,
      'of an unknown key': await signed(keyOf(ALICE), { ...head, kid: '0'.repeat(32) }, claims),
      'of no key': await signed(keyOf(ALICE), { alg: 'HS256' }, claims),
      'with a later end': `${header}.${encode(claims)}.${signature}`,
      'cut short': token.slice(0, -1),
      'with another signature': `${header}.${payload}.${base64url.encode(Buffer.alloc(32))}`,
      'that is a key': ALICE,
      'that is nothing': '',
    };
    for (const [what, forged] of Object.entries(bad)) {
      const path = `/jobs/${id}/stems/vocals?token=${encodeURIComponent(forged)}`;
      assertProblem(await call(api, path), 401, 'TOKEN_INVALID');
      const { status } = await openSocket(api, `/jobs/${id}/ws?token=${forged}`);
      assert.equal(status, 401, what);
    }
    assertProblem(await call(api, `${stem}&token=${token}`), 401, 'TOKEN_INVALID');
    assertProblem(await call(api, stem.replace('token=', 'token[]=')), 401, 'API_KEY_REQUIRED');
    // Bob signs for his own tenant, and it is his jobs that he finds.
    const bobs = createTenants({ apiKeys: [BOB], tokenTtl: TOKEN_TTL });
    const own = await bobs.sign({ id, tenant: bobs.ofHeader(`Bearer ${BOB}`) });
    const answer = await call(api, `/jobs/${id}/stems/vocals?token=${own}`);
    assertProblem(answer, 404, 'JOB_NOT_FOUND');
  });

  it('is good in every process that has the key, and ends with the key', async () => {
    const alone = createTenants({ apiKeys: [ALICE], tokenTtl: 60 });
    const tenant = alone.ofHeader(`Bearer ${ALICE}`);
    const token = await alone.sign({ id: 'one', tenant });
    const both = createTenants({ apiKeys: [BOB, ALICE], tokenTtl: 60 });
    assert.equal(await both.ofToken(token, 'one'), tenant);
    const without = createTenants({ apiKeys: [BOB], tokenTtl: 60 });
    await assert.rejects(without.ofToken(token, 'one'), { code: 'TOKEN_INVALID' });
    assert.equal(await without.sign({ id: 'one', tenant }), undefined);
  });

  it('does not let pages of other origins open a WebSocket', async () => {
    const { ws } = await urlsOf(api, await completed(api, { seed: '9' }));
    const { status } = await openSocket(api, ws, { origin: 'https://evil.example' });
    assert.equal(status, 403);
  });
});
