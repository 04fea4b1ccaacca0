/** What is promised about work that is tried again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doublingDelays, retry } from '../../src/lib/retry.js';

const { signal } = new AbortController();
const isTransient = (error: unknown) => error instanceof Error && error.message === 'busy';
const busy = () => Promise.reject(new Error('busy'));

describe('work that is tried again', () => {
  it('gives the first result', async () => {
    let tries = 0;
    const retried: unknown[] = [];
    const work = () => (++tries < 3 ? busy() : Promise.resolve(tries));
    const onRetry = (error: unknown) => retried.push(error);
    assert.equal(await retry(work, { delaysMs: [1, 1], isTransient, onRetry, signal }), 3);
    assert.equal(retried.length, 2);
  });

  it('is given up after the last delay', async () => {
    let tries = 0;
    const work = () => (tries++, busy());
    await assert.rejects(retry(work, { delaysMs: [1, 1], isTransient, signal }), /busy/);
    assert.equal(tries, 3);
  });

  it('is not repeated after other errors, our own mistakes among them', async () => {
    for (const error of [new Error('wrong'), new TypeError('x is not a function')]) {
      let tries = 0;
      const work = () => (tries++, Promise.reject(error));
      await assert.rejects(retry(work, { delaysMs: [1], isTransient, signal }), error);
      assert.equal(tries, 1);
    }
  });

  it('ends at once with the reason of an abort: in a wait, and when the abort made it fail', async () => {
    const reason = new Error('stopping');
    const waiting = new AbortController();
    const abort = () => waiting.abort(reason);
    const inWait = retry(busy, {
      delaysMs: [2 ** 30],
      isTransient,
      onRetry: abort,
      signal: waiting.signal,
    });
    await assert.rejects(inWait, (error) => error === reason);

    const working = new AbortController();
    const work = () => {
      working.abort(reason);
      return busy();
    };
    const inWork = retry(work, { delaysMs: [1], isTransient, signal: working.signal });
    await assert.rejects(inWork, (error) => error === reason);
  });

  it('keeps a result that came with the abort: what was accepted cannot be taken back', async () => {
    const controller = new AbortController();
    const work = () => {
      controller.abort(new Error('stopping'));
      return Promise.resolve('accepted');
    };
    const result = retry(work, { delaysMs: [], isTransient, signal: controller.signal });
    assert.equal(await result, 'accepted');
  });
});

it('delays double up to the longest', () => {
  const delays = doublingDelays(250, 1_000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => delays.next().value),
    [250, 500, 1_000, 1_000],
  );
});
