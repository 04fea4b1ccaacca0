import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { machineName, nameMachine, type MachineFacts } from '../../src/lib/process-folder.js';

const host: MachineFacts = {
  hostname: 'studio',
  namespace: 'pid:[4026531836]',
  machineId: '0123456789abcdef0123456789abcdef',
  bootId: 'f5c51d43-a274-4f71-b546-dadfa5678dc5',
};
const otherId = 'fedcba9876543210fedcba9876543210';
const otherBoot = '11111111-2222-3333-4444-555555555555';
const container = { ...host, namespace: 'pid:[4026532567]' };

const name = (facts: MachineFacts, change: Partial<MachineFacts> = {}) =>
  nameMachine({ ...facts, ...change });

describe('the name of a machine', () => {
  it('is the same in every process on it, and part of a file name', async () => {
    assert.equal(await machineName(), await machineName());
    assert.match(await machineName(), /^[0-9a-f]{12}$/);
  });

  it('differs between machines with one hostname', () => {
    assert.notEqual(name(host), name(host, { machineId: otherId }));
    for (const machineId of ['', 'uninitialized']) {
      assert.notEqual(name(host, { machineId }), name(host, { machineId, bootId: otherBoot }));
    }
  });

  it('outlasts a restart outside of containers', () => {
    assert.equal(name(host), name(host, { bootId: otherBoot }));
  });

  it('differs between containers: on one host, and of one image on two hosts', () => {
    assert.notEqual(name(container), name(host));
    assert.notEqual(name(container), name(container, { namespace: 'pid:[4026532999]' }));
    assert.notEqual(name(container), name(container, { hostname: 'worker' }));
    assert.notEqual(name(container), name(container, { bootId: otherBoot }));
  });
});
