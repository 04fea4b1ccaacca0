/** Names of strangers, whose own servers answer for them as they like. */
import assert from 'node:assert/strict';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { after, describe, it } from 'node:test';
import { createNameServerResolver } from '../../src/network/name-servers.js';
import { startNameServer } from '../support/name-server.js';

const ask = (
  servers: readonly string[],
  name: string,
  options: LookupOptions = {},
): Promise<LookupAddress[]> =>
  new Promise((resolve, reject) => {
    const resolver = createNameServerResolver({ servers, limits: { timeout: 2_000, tries: 2 } });
    resolver(name, { ...options, all: true }, (error, addresses) => {
      if (error) reject(error);
      else resolve(addresses);
    });
  });

describe('a name', () => {
  it('has the addresses that its name server tells, of the family that is wanted', async () => {
    const { address } = await startNameServer({ after }, ['10.0.0.1', '1.1.1.1', '2606:4700::1']);
    const four = [
      { address: '10.0.0.1', family: 4 },
      { address: '1.1.1.1', family: 4 },
    ];
    const six = [{ address: '2606:4700::1', family: 6 }];
    assert.deepEqual(await ask([address], 'both.example'), [...four, ...six]);
    assert.deepEqual(await ask([address], 'both.example', { family: 0 }), [...four, ...six]);
    assert.deepEqual(await ask([address], 'both.example', { family: 4 }), four);
    assert.deepEqual(await ask([address], 'both.example', { family: 'IPv6' }), six);
    const old = await startNameServer({ after }, ['1.1.1.1']);
    assert.deepEqual(await ask([old.address], 'old.example'), [four[1]]);
  });

  it('whose server is silent keeps no other from being resolved, and is given up', async () => {
    const silent = await startNameServer({ after });
    let open = 16;
    const given = Array.from({ length: open }, (_, at) =>
      assert.rejects(ask([silent.address], `h${String(at)}.example`)).finally(() => open--),
    );
    await lookup('localhost');
    assert.equal(open, 16, 'the lookup of the system had to wait for them');
    await Promise.all(given);
    assert.ok(silent.asked() >= 32);
  });
});
