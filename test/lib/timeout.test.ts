/** What is promised about waits that end early. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TimeoutError, unlessAborted, within, withGrace } from '../../src/lib/timeout.js';

const never = new Promise<never>(() => undefined);
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('a wait with a timeout', () => {
  it('gives the result or the error of the work, and leaves no timer', async () => {
    const before = timers();
    assert.equal(await within(60_000, Promise.resolve(1)), 1);
    await assert.rejects(within(60_000, Promise.reject(new Error('broken'))), /^Error: broken$/);
    assert.equal(timers(), before);
  });

  it('ends with a TimeoutError that tells the time', async () => {
    await assert.rejects(within(20, never), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.equal(error.message, 'no answer within 0.02 seconds');
      return true;
    });
  });

  it('ignores the late failure of the work', async () => {
    const { promise, reject } = deferred();
    await assert.rejects(within(1, promise), TimeoutError);
    reject(new Error('late')); // an unhandled rejection fails the test
    await turn();
  });
});

describe('a wait that a signal ends', () => {
  it('gives the result, and no longer listens', async () => {
    const { signal } = new AbortController();
    assert.equal(await unlessAborted(signal, Promise.resolve(1)), 1);
    assert.equal(await unlessAborted(undefined, Promise.resolve(2)), 2);
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  it('throws the very reason of the abort, before or during the wait', async () => {
    const controller = new AbortController();
    const reason = new Error('stopping');
    const { promise, reject } = deferred();
    const waits = [unlessAborted(controller.signal, promise)];
    controller.abort(reason);
    waits.push(unlessAborted(controller.signal, promise));
    for (const wait of waits) await assert.rejects(wait, (error) => error === reason);
    reject(new Error('late'));
    await turn();
  });
});

describe('a stop with a grace', () => {
  it('forces nothing that ends by itself', async () => {
    const before = timers();
    await withGrace(60_000, Promise.resolve(), () => assert.fail('forced'));
    assert.equal(timers(), before);
  });

  it('forces the end after the grace, and waits for it', async () => {
    const { promise, resolve } = deferred();
    const events: string[] = [];
    await withGrace(0, promise, () => {
      events.push('forced');
      setTimeout(() => {
        events.push('ended');
        resolve();
      }, 1);
    });
    assert.deepEqual(events, ['forced', 'ended']);
  });
});

function deferred() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}
