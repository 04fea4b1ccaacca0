/** Who may call a service without API keys: by which names, and from which web pages. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { after, describe, it } from 'node:test';
import { whoMayUse } from '../../src/bin/service/banner.js';
import { startApi, submit, type TestApi } from '../support/api.js';
import { assertProblem } from '../support/contract.js';
import { ALICE, bearer, openSocket } from '../support/tenants.js';

const PAGE = 'https://board.example';
const api = await startApi({ after }, { config: { corsOrigins: [PAGE], host: 'studio' } });

/** A request with headers that fetch does not let us set. */
async function ask(to: TestApi, method: string, headers: Record<string, string>, path = '/jobs/x') {
  const sent = request(`${to.url}/api/v1${path}`, { method, headers });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  };
}

void describe('the Host header', () => {
  const statusOf = async (to: TestApi, host: string) =>
    (await ask(to, 'GET', { Host: host }, '/health/live')).status;

  it('is localhost, an IP address, or HOST, with any port', async () => {
    for (const host of [
      ...[
        'localhost',
        'LocalHost:8000',
        '127.0.0.1:8000',
        '192.168.1.7',
        '[::1]:8000',
        '[fe80::1]',
      ],
      ...['studio', 'Studio:9000'],
    ]) {
      assert.equal(await statusOf(api, host), 200, host);
    }
  });

  it('is refused with any other name, whatever the path', async () => {
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example:8000',
      '1',
    ]) {
      for (const path of ['/health/live', '/stemify', '/nothing']) {
        const answer = await ask(api, 'GET', { Host: host }, path);
        assert.match(
          assertProblem(answer, 421, 'HOST_NOT_ALLOWED'),
          /add the name to ALLOWED_HOSTS/,
        );
      }
    }
    const { status } = await openSocket(api, '/jobs/x/ws', { headers: { Host: 'evil.example' } });
    assert.equal(status, 421);
  });

  it('may have the names of ALLOWED_HOSTS, all names with *, and with API keys any name', async (context) => {
    const config = { allowedHosts: ['stems.example', 'other.example:8443'] };
    const named = await startApi(context, { config });
    for (const host of ['stems.example', 'STEMS.example:80', 'other.example:8443'])
      assert.equal(await statusOf(named, host), 200, host);
    for (const host of ['evil.example', 'other.example', 'other.example:80'])
      assert.equal(await statusOf(named, host), 421, host);
    const any = await startApi(context, { config: { allowedHosts: ['*'] } });
    assert.equal(await statusOf(any, 'evil.example'), 200);
    const keyed = await startApi(context, { apiKeys: [ALICE] });
    assert.equal(await statusOf(keyed, 'evil.example'), 200);
  });
});

void describe('a web page', () => {
  /** What it may do ends at the job, which is not there. */
  const mayDelete = async (to: TestApi, headers: Record<string, string>) => {
    const { status } = await ask(to, 'DELETE', headers);
    assert.ok(status === 404 || status === 403, String(status));
    return status === 404;
  };

  it('may change something if it is of the service itself or of API_CORS_ORIGINS', async () => {
    const own = { Host: 'localhost:8000', Origin: 'http://localhost:8000' };
    assert.ok(await mayDelete(api, own));
    assert.ok(await mayDelete(api, { ...own, 'Sec-Fetch-Site': 'same-origin' }));
    assert.ok(await mayDelete(api, { Origin: PAGE, 'Sec-Fetch-Site': 'cross-site' }));
    // No page at all.
    assert.ok(await mayDelete(api, {}));
    assert.ok(await mayDelete(api, { 'Sec-Fetch-Site': 'none' }));
  });

  it('of any other site may not, also if a browser hides its origin', async () => {
    for (const headers of [
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { Origin: `${PAGE}.evil.example` },
      { Host: 'localhost:8000', Origin: 'http://localhost:3000' },
      { 'Sec-Fetch-Site': 'cross-site' },
    ]) {
      assert.ok(!(await mayDelete(api, headers)), JSON.stringify(headers));
    }
    const answer = await ask(api, 'POST', { Origin: 'https://evil.example' }, '/stemify');
    assert.match(
      assertProblem(answer, 403, 'ORIGIN_NOT_ALLOWED'),
      /^"https:\/\/evil.example" is of another site .* API_CORS_ORIGINS$/,
    );
    const { status } = await ask(api, 'GET', { Origin: 'https://evil.example' }, '/jobs');
    assert.equal(status, 200, 'it is the browser that keeps the answer from the page');
  });

  it('of any site may, where API_CORS_ORIGINS is * or a key is needed', async (context) => {
    const open = await startApi(context, { config: { corsOrigins: ['*'] } });
    const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' };
    assert.ok(await mayDelete(open, headers));
    const keyed = await startApi(context, { apiKeys: [ALICE] });
    assert.ok(await mayDelete(keyed, { ...headers, ...bearer(ALICE) }));
  });

  it('is of the service behind a proxy that changes the Host header, under TRUST_PROXY', async (context) => {
    const forwarded = { Origin: 'https://stems.example', 'X-Forwarded-Host': 'stems.example' };
    const trusting = await startApi(context, { config: { trustProxy: 1 } });
    assert.ok(await mayDelete(trusting, forwarded));
    assert.ok(!(await mayDelete(api, forwarded)));
  });

  it('of another site may not open a WebSocket', async () => {
    const id = await submit(api);
    const statusFrom = async (headers: Record<string, string>) => {
      const { socket, status } = await openSocket(api, `/jobs/${id}/ws`, { headers });
      socket.terminate();
      return status;
    };
    assert.equal(await statusFrom({ Origin: 'https://evil.example' }), 403);
    assert.equal(await statusFrom({ Origin: PAGE, 'Sec-Fetch-Site': 'cross-site' }), 101);
    assert.equal(await statusFrom({}), 101);
  });
});

void describe('the start', () => {
  it('says who may use the service, and from where', () => {
    const of = (host: string, apiKeys: string[] = [], corsOrigins: string[] = []) =>
      whoMayUse({ host, apiKeys, corsOrigins });
    const keyless = of('127.0.0.1');
    assert.deepEqual(keyless, { open: false, sentence: 'anyone, from this machine only' });
    assert.deepEqual(of('0.0.0.0'), {
      open: true,
      sentence:
        'anyone, from every network of this machine. To restrict this, set API_KEYS or HOST=127.0.0.1',
    });
    assert.match(of('192.168.1.7').sentence, /^anyone, from the network of 192\.168\.1\.7\. To/);
    assert.deepEqual(of('::', [ALICE], [PAGE]), {
      open: false,
      sentence: `clients with an API key, from every network of this machine, and web pages of ${PAGE}`,
    });
    assert.match(
      of('localhost', [], ['*']).sentence,
      /this machine only, and web pages of any site$/,
    );
  });
});
