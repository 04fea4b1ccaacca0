/** One try to deliver: what a receiver gets, and what it cannot do to us. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type LookupFunction } from 'node:net';
import { after, describe, it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { createPublicLookup } from '../../src/network/public-address.js';
import { createSender, type Outcome, type SenderSettings } from '../../src/webhooks/sender.js';
import { silence, startReceiver, status, type Reply } from '../support/receiver.js';

const SECRET = 'a secret between two';
const BODY = JSON.stringify({ job_id: 'x', title: 'Übung — \u2028 “1”' });
const ANSWER_MS = 400;

async function attempt(url: string, settings: Partial<SenderSettings> = {}): Promise<Outcome> {
  const sender = createSender({
    secret: SECRET,
    allowPrivate: true,
    version: '1.2.3',
    answerMs: 10_000,
    ...settings,
  });
  try {
    return await sender.send({
      id: 'job-1',
      url,
      body: BODY,
      signal: new AbortController().signal,
    });
  } finally {
    await sender.close();
  }
}

/** The names of a resolver of ours, one list of addresses for each question. */
function resolving(...answers: string[][]): { lookup: LookupFunction; asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    lookup: createPublicLookup((_hostname, _options, done) => {
      const addresses = answers[Math.min(asked++, answers.length - 1)] ?? [];
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    }),
  };
}

describe('a delivery', () => {
  it('is a signed POST of JSON that a Standard Webhooks receiver accepts, and no other', async () => {
    const receiver = await startReceiver({ after });
    assert.deepEqual(await attempt(receiver.url), { status: 204 });
    const base64 = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
    await attempt(receiver.url, { secret: base64 });

    const [plain, encoded] = receiver.deliveries;
    assert.ok(plain && encoded);
    assert.equal(plain.method, 'POST');
    assert.equal(plain.path, '/hook?for=test');
    assert.equal(plain.headers['content-type'], 'application/json');
    assert.equal(plain.headers['user-agent'], 'oxboard-demucs/1.2.3');
    assert.equal(plain.headers['webhook-id'], 'job-1');
    assert.equal(plain.body, BODY);
    const own = new Webhook(SECRET, { format: 'raw' });
    assert.deepEqual(own.verify(plain.body, plain.headers), JSON.parse(BODY));
    assert.deepEqual(new Webhook(base64).verify(encoded.body, encoded.headers), JSON.parse(BODY));

    assert.throws(() => own.verify(encoded.body, encoded.headers));
    assert.throws(() => own.verify(`${plain.body} `, plain.headers));
    for (const [name, value] of [
      ['webhook-id', 'job-2'],
      ['webhook-timestamp', String(Number(plain.headers['webhook-timestamp']) + 1)],
    ] as const)
      assert.throws(() => own.verify(plain.body, { ...plain.headers, [name]: value }));
  });

  it('follows no redirect', async () => {
    const target = await startReceiver({ after });
    for (const code of [301, 302, 303, 307, 308]) {
      const receiver = await startReceiver({ after }, status(code, { location: target.url }));
      assert.deepEqual(await attempt(receiver.url), { status: code });
    }
    assert.deepEqual(target.deliveries, []);
  });

  it('ends in time whatever the receiver does', async () => {
    const drip: Reply = (response) => {
      response.writeHead(200, { 'content-length': 1e9 });
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    };
    const flood: Reply = (response) => {
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(65_536)));
      };
      response.writeHead(200).on('drain', more);
      more();
    };
    const headers: Reply = (response) => {
      for (let at = 0; at < 200; at++) response.setHeader(`x-${at}`, 'y'.repeat(1000));
      response.writeHead(200).end();
    };
    const receiver = await startReceiver({ after }, drip, flood, headers, silence);

    // The status is the answer; nobody waits for the rest, or reads it all.
    assert.deepEqual(await attempt(receiver.url), { status: 200 });
    assert.deepEqual(await attempt(receiver.url), { status: 200 });
    assert.deepEqual(await attempt(receiver.url), {
      error: 'the connection failed (UND_ERR_HEADERS_OVERFLOW)',
    });
    assert.deepEqual(await attempt(receiver.url, { answerMs: ANSWER_MS }), {
      error: 'no answer within 0.4 s',
    });
  });

  it('tells why there was no answer, and nothing of what the other end said', async () => {
    const banner = createServer((socket) => socket.end('+OK secret banner\r\n'));
    const closing = createServer((socket) => socket.destroy());
    const ports: number[] = [];
    for (const server of [banner, closing]) {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      ports.push((server.address() as AddressInfo).port);
    }
    after(() => banner.close());
    const outcomes = [];
    for (const port of ports) outcomes.push(await attempt(`http://127.0.0.1:${port}/`));
    closing.close();
    await once(closing, 'close');
    outcomes.push(await attempt(`http://127.0.0.1:${ports[1]}/`));
    assert.deepEqual(outcomes, [
      { error: 'the receiver does not speak HTTP' },
      { error: 'the connection failed (UND_ERR_SOCKET)' },
      { error: 'the connection failed (ECONNREFUSED)' },
    ]);
  });

  it('is broken off with the reason of its signal', async () => {
    const receiver = await startReceiver({ after }, silence);
    const sender = createSender({ secret: SECRET, allowPrivate: true, version: '1' });
    const stop = new AbortController();
    const sent = sender.send({ id: 'x', url: receiver.url, body: BODY, signal: stop.signal });
    await receiver.received(1);
    const reason = new Error('enough');
    stop.abort(reason);
    await assert.rejects(sent, reason);
    await sender.close();
  });
});

describe('without WEBHOOK_ALLOW_PRIVATE, a delivery', () => {
  const refused = async (url: string, lookup?: LookupFunction) => {
    const outcome = await attempt(url, { allowPrivate: false, ...(lookup && { lookup }) });
    assert.match('error' in outcome ? outcome.error : '', /private network/, url);
  };

  it('never connects to a private address, whatever resolves to it, and whenever', async () => {
    // On the usual port where that can be had, for nothing but the address to be in the way.
    const seen: string[] = [];
    const trap = createServer((socket) => {
      seen.push(String(socket.remoteAddress));
      socket.destroy();
    });
    trap.on('error', () => undefined).listen(80, '127.0.0.1');
    after(() => trap.close());

    await refused('http://127.0.0.1/');
    await refused('http://[::ffff:127.0.0.1]/');
    await refused('http://2130706433/');
    await refused('http://localhost/');
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:127.0.0.1']) {
      await refused('http://inside.example/', resolving([address]).lookup);
      await refused('https://inside.example/', resolving([address]).lookup);
    }

    // Public while somebody looks, private when it is connected to.
    const rebound = resolving(['93.184.216.34'], ['127.0.0.1']);
    const looked = await new Promise((resolve) => {
      rebound.lookup('rebound.example', {}, (_error, address) => resolve(address));
    });
    assert.equal(looked, '93.184.216.34');
    await refused('http://rebound.example/', rebound.lookup);
    assert.equal(rebound.asked(), 2);
    assert.deepEqual(seen, []);
  });

  it('is judged again, should the job have been admitted under other rules', async () => {
    const receiver = await startReceiver({ after });
    const outcome = await attempt(receiver.url, { allowPrivate: false });
    assert.deepEqual(outcome, { error: 'callback_url has to have port 80 or 443 on this service' });
    assert.deepEqual(receiver.deliveries, []);
  });
});
