/** A service below a path of a site: with BASE_PATH, and behind a proxy that removes the path. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';
import { OxboardClient } from '../../src/client/index.js';
import { complete, startApi, takeJob, type TestApi } from '../support/api.js';
import { startReverseProxy } from '../support/reverse-proxy.js';

/** Every string in a document that is a path of the service. */
const pathsIn = (document: unknown): string[] => {
  if (typeof document === 'string') return /^\/.*\/api\/v1\//.test(document) ? [document] : [];
  if (typeof document !== 'object' || document === null) return [];
  return Object.values(document).flatMap(pathsIn);
};

/** Uses all of the service at `base`, as somebody would who knows nothing of a path. */
async function useAll(api: TestApi, base: string): Promise<void> {
  const { origin, pathname } = new URL(base);
  const client = new OxboardClient({ baseUrl: base });
  const { id } = await client.submit(new File([new Uint8Array(api.song)], 'song.wav'));
  await complete(api, await takeJob(api), { drums: Buffer.from('a') });

  const ask = async (path: string) => {
    const response = await fetch(new URL(path, origin));
    assert.equal(response.status, 200, path);
    return response;
  };
  const document = (await (await ask(`${pathname}/api/v1/jobs/${id}`)).json()) as {
    events_url: string;
    ws_url: string;
    result: { stems: { drums: { url: string } }; zip_url: string };
  };
  const list: unknown = await (await ask(`${pathname}/api/v1/jobs`)).json();
  for (const found of [pathsIn(document), pathsIn(list)]) {
    assert.ok(found.length >= 4);
    for (const path of found) assert.ok(path.startsWith(`${pathname}/api/v1/jobs/`), path);
  }
  assert.equal(await (await ask(document.result.stems.drums.url)).text(), 'a');
  await (await ask(document.result.zip_url)).arrayBuffer();

  const source = new EventSource(new URL(document.events_url, origin));
  await new Promise((resolve) => source.addEventListener('completed', resolve));
  source.close();
  const socket = new WebSocket(new URL(document.ws_url, origin.replace('http', 'ws')));
  const closed = once(socket, 'close');
  const [data] = (await once(socket, 'message')) as [Buffer];
  const message = data.toString();
  assert.equal((JSON.parse(message) as { event: string }).event, 'completed');
  await closed;

  const openapi = (await (await ask(`${pathname}/api/v1/openapi.json`)).json()) as {
    servers?: { url: string }[];
  };
  assert.deepEqual(openapi.servers, [{ url: pathname }]);
  const docs = await (await ask(`${pathname}/api/v1/docs`)).text();
  for (const [, file] of docs.matchAll(/(?:src|href)="([^"]+)"/g))
    await (await ask(new URL(file ?? '', `${base}/api/v1/docs`).href)).arrayBuffer();
  const page = await (await ask(`${pathname}/`)).text();
  for (const [, file] of page.matchAll(/(?:src|href)="([^"]+)"/g))
    await (await ask(new URL(file ?? '', `${base}/`).href)).arrayBuffer();
}

void test('BASE_PATH: everything is below it, and nothing beside it', async (context) => {
  const api = await startApi(context, { config: { basePath: '/audio/stems' } });
  await useAll(api, `${api.url}/audio/stems`);
  const proxy = await startReverseProxy(context, api.url, { path: '/audio/stems', removes: false });
  await useAll(api, proxy.url);

  for (const path of ['/', '/api/v1/health', '/audio', '/audio/stemsapi/v1/health']) {
    const { status, headers } = await fetch(`${api.url}${path}`);
    assert.equal(status, 404, path);
    assert.match(headers.get('content-type') ?? '', /problem\+json/);
  }
  const withoutSlash = await fetch(`${api.url}/audio/stems?a=b`);
  assert.equal(withoutSlash.url, `${api.url}/audio/stems/`, 'the page finds its files');
  assert.equal(withoutSlash.status, 200);
});

void test('X-Forwarded-Prefix of a proxy that is trusted begins every URL', async (context) => {
  const api = await startApi(context, { config: { trustProxy: 'loopback' } });
  await useAll(api, (await startReverseProxy(context, api.url, { path: '/stems' })).url);

  const both = await startApi(context, {
    config: { trustProxy: 'loopback', basePath: '/inner' },
  });
  const outer = await startReverseProxy(context, both.url, { path: '/outer' });
  await useAll(both, `${outer.url}/inner`);
});

void test('a prefix counts only if it is a path and the proxy is trusted', async (context) => {
  const trusting = await startApi(context, { config: { trustProxy: 'loopback' } });
  const { id } = await new OxboardClient({ baseUrl: trusting.url }).submit(
    new File([new Uint8Array(trusting.song)], 'song.wav'),
  );
  const eventsUrl = async ({ url }: TestApi, job: string, prefix: string) => {
    const headers = { 'X-Forwarded-Prefix': prefix };
    const response = await fetch(`${url}/api/v1/jobs/${job}`, { headers });
    return ((await response.json()) as { events_url: string }).events_url;
  };
  const plain = `/api/v1/jobs/${id}/events`;
  assert.equal(await eventsUrl(trusting, id, '/a/b-c_d.e~f/'), `/a/b-c_d.e~f${plain}`);
  for (const prefix of [
    ...['//evil.example', '/a//b', 'a', '/', '/a/../b', '/.', '/a?b', '/a#b', '/a b', '/a, /b'],
    ...['https://evil.example', '/"onload=x', '/\\evil.example', `/${'a'.repeat(300)}`],
  ])
    assert.equal(await eventsUrl(trusting, id, prefix), plain, prefix);
  assert.equal(await eventsUrl(trusting, id, ''), plain, 'the next request has no prefix');

  const other = await startApi(context);
  const posted = await new OxboardClient({ baseUrl: other.url }).submit(
    new File([new Uint8Array(other.song)], 'song.wav'),
  );
  assert.equal(
    await eventsUrl(other, posted.id, '/stems'),
    `/api/v1/jobs/${posted.id}/events`,
    'without TRUST_PROXY',
  );
});
