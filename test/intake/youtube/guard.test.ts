/** What yt-dlp can reach. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { openGuard, type Guard } from '../../../src/intake/youtube/guard.js';
import { startProxy } from '../../support/proxy.js';
import { createPublicLookup } from '../../../src/network/public-address.js';

const server = createServer((_request, response) => response.end('a song'));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
/** A name service of the attacker's: its names lead to this machine. */
const names: string[] = [];
const guard = await openGuard([`127.0.0.1:${String(port)}`, 'www.youtube.com'], {
  lookup: createPublicLookup((name, _options, done) => {
    names.push(name);
    done(null, [{ address: names.length % 2 === 0 ? '::1' : '127.0.0.1', family: 4 }]);
  }),
});
after(async () => {
  await guard.close();
  server.close();
});

/** The status of what a client of the proxy is answered, or why there was no answer. */
async function ask(target: string, { url } = guard as Pick<Guard, 'url'>): Promise<string> {
  const proxy = new URL(url);
  const tunnel = !target.startsWith('http:');
  const login = Buffer.from(`${proxy.username}:${proxy.password}`).toString('base64');
  const asked = request({
    host: proxy.hostname,
    port: proxy.port,
    method: tunnel ? 'CONNECT' : 'GET',
    path: target,
    headers: { 'Proxy-Authorization': `Basic ${login}` },
    agent: false,
  });
  asked.end();
  try {
    const [answer] = (await Promise.race([once(asked, 'response'), once(asked, 'connect')])) as [
      IncomingMessage,
    ];
    answer.destroy();
    return String(answer.statusCode);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'failed';
  } finally {
    asked.destroy();
  }
}

describe('the way out of yt-dlp', () => {
  it('leads to what the operator has named with its port', async () => {
    assert.equal(await ask(`http://127.0.0.1:${String(port)}/`), '200');
    assert.equal(await ask(`127.0.0.1:${String(port)}`), '200');
    assert.equal(guard.refusal, undefined);
  });

  const PRIVATE = [
    '127.0.0.1',
    '10.0.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '2130706433',
    '0177.0.0.1',
    '0x7f000001',
    '127.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[fd00::1]',
    '[fe80::1]',
  ];
  for (const host of PRIVATE) {
    it(`does not lead to ${host}`, async () => {
      assert.notEqual(await ask(`http://${host}/`), '200');
      assert.equal(guard.refusal?.code, 'ADDRESS_NOT_PUBLIC');
      assert.notEqual(await ask(`${host}:443`), '200');
    });
  }

  it('does not lead to a name that means a private address, whenever it does', async () => {
    for (let times = 0; times < 2; times++) {
      assert.notEqual(await ask('http://rebound.example/'), '200');
      assert.match(guard.refusal?.message ?? '', /rebound\.example is in a private network/);
      assert.notEqual(await ask('rebound.example:443'), '200');
    }
    assert.equal(names.filter((name) => name === 'rebound.example').length, 4);
  });

  it('does not lead to other ports, nor to the named one elsewhere', async () => {
    for (const target of ['example.org:22', 'example.org:6379', `localhost:${String(port)}`]) {
      assert.equal(await ask(`http://${target}/`), '403', target);
      assert.match(guard.refusal?.message ?? '', /only 80 and 443/);
      assert.equal(await ask(target), '403', target);
    }
  });

  it('leads through the proxy of the operator, with the same limits', async (context) => {
    const proxy = await startProxy(context);
    const upstream = proxy.url.replace('//', '//oxboard:hush@');
    const lookup = createPublicLookup((name, _options, done) => {
      if (name === 'unknown.example') done(new Error('ENOTFOUND'), []);
      else done(null, [{ address: '10.0.0.1', family: 4 }]);
    });
    const chained = await openGuard([`127.0.0.1:${String(port)}`], { lookup, upstream });
    context.after(() => chained.close());
    assert.equal(await ask(`http://127.0.0.1:${String(port)}/`, chained), '200');
    assert.equal(await ask(`127.0.0.1:${String(port)}`, chained), '200');
    for (const target of ['10.0.0.1:443', 'rebound.example:443', 'unknown.example:22']) {
      assert.equal(await ask(target, chained), '403', target);
      assert.equal(await ask(`http://${target}/`, chained), '403', target);
    }
    assert.equal(chained.refusal?.code, 'ADDRESS_NOT_PUBLIC');
    const allowed = `127.0.0.1:${String(port)}`;
    assert.deepEqual(proxy.passed, [allowed, allowed]);
    // It knows names that are not known here.
    proxy.refusal = 407;
    assert.equal(await ask('unknown.example:443', chained), '597');
    assert.deepEqual(proxy.passed, [allowed, allowed, 'unknown.example:443']);
    assert.deepEqual([...new Set(proxy.logins)], ['oxboard:hush']);
  });

  it('is for yt-dlp alone', async () => {
    const { host } = new URL(guard.url);
    assert.equal(await ask(`http://127.0.0.1:${String(port)}/`, { url: `http://${host}` }), '407');
    const url = `http://oxboard:guess@${host}`;
    assert.equal(await ask(`127.0.0.1:${String(port)}`, { url }), '407');
  });
});
