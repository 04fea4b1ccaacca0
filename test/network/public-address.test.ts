/** Which addresses strangers may have us connect to, in every form that an address can take. */
import assert from 'node:assert/strict';
import { lookup } from 'node:dns';
import { connect, type LookupFunction } from 'node:net';
import { describe, it } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import {
  assertPublicHost,
  createPublicLookup,
  isPublicAddress,
} from '../../src/network/public-address.js';

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700:4700::1111',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
];

const PRIVATE = [
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '168.63.129.16',
  '100.64.0.1',
  '100.100.100.200',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '203.0.113.9',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::127.0.0.1',
  '64:ff9b::a00:1',
  '64:ff9b:1::8.8.8.8',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  '2001:db8::1',
  'fe80::1',
  'fe80::1%lo',
  'fec0::1',
  'fc00::1',
  'fd12:3456::1',
  'ff02::1',
  '4000::1',
  // As inet_aton reads them.
  '0177.0.0.1',
  '0x7f.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '017700000001',
];

const isRefusal = (error: unknown): boolean =>
  error instanceof OxboardError && error.code === 'ADDRESS_NOT_PUBLIC';

const systemLookup = createPublicLookup(lookup);

const resolvesTo = (...addresses: string[]): LookupFunction =>
  createPublicLookup((_hostname, _options, done) => {
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  });

describe('public addresses', () => {
  it('are told from private ones', () => {
    assert.deepEqual(PUBLIC.filter(isPublicAddress), PUBLIC);
    assert.deepEqual(PRIVATE.filter(isPublicAddress), []);
    assert.deepEqual(
      ['', 'example.org', '1.2.3.4.5', '::g', '256.1.1.1'].filter(isPublicAddress),
      [],
    );
  });

  it('are judged as hosts of URLs, which have forms of their own', () => {
    for (const host of PUBLIC)
      assert.doesNotThrow(() => {
        assertPublicHost(host);
      });
    const written = PRIVATE.filter((host) => !host.includes('%')).map((host) =>
      host.includes(':') ? `[${host}]` : host,
    );
    // As URL reads them: digits of other scripts, a dot at the end, escapes.
    const odd = ['127.0.0.1.', '①②⑦.0.0.1', '%31%32%37.0.0.1', '127。0。0。1'];
    const names = ['localhost', 'LOCALHOST.', 'x.localhost'];
    for (const host of [...written, ...odd, ...names])
      assert.throws(() => {
        assertPublicHost(new URL(`http://${host}/`).hostname);
      }, isRefusal);
    assert.doesNotThrow(() => {
      assertPublicHost('example.org');
    });
  });
});

describe('the lookup of sockets', () => {
  const failure = (lookup: LookupFunction, host: string): Promise<unknown> =>
    new Promise((resolve) => {
      connect({ host, port: 9, lookup }).on('error', resolve);
    });

  it('refuses names that resolve to private addresses, before anything is connected to', async () => {
    assert.ok(isRefusal(await failure(systemLookup, 'localhost')));
    assert.ok(isRefusal(await failure(resolvesTo('10.0.0.1', '::1'), 'rebound.example')));
  });

  it('gives what is public of a name that has both', async () => {
    const lookup = resolvesTo('10.0.0.1', '1.1.1.1', 'fd00::1', '2606:4700::1');
    const all = await new Promise((resolve) => {
      lookup('both.example', { all: true }, (_error, addresses) => {
        resolve(addresses);
      });
    });
    assert.deepEqual(all, [
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
    const one = await new Promise((resolve) => {
      lookup('both.example', {}, (_error, address, family) => {
        resolve([address, family]);
      });
    });
    assert.deepEqual(one, ['1.1.1.1', 4]);
  });

  it('tells that a name does not resolve', async () => {
    const error = await failure(systemLookup, 'no-such-host.invalid');
    assert.ok(!isRefusal(error) && error instanceof Error && 'code' in error, String(error));
  });
});
