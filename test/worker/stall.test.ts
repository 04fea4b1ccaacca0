/** A job whose separation does not go on is noticed, and one that is only slow is not. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { stallLimitMs, watchForStall } from '../../src/worker/stall.js';

const LIMIT_MS = 40;
/** The watch looks four times within its limit. */
const TICK_MS = LIMIT_MS / 4;

function watched({ mock }: TestContext) {
  mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  let stalls = 0;
  const reported: string[] = [];
  const { reporter, stop } = watchForStall(
    {
      report: (stage) => void reported.push(stage),
      flush: () => Promise.resolve(),
    },
    { limitMs: LIMIT_MS, onStall: () => stalls++, now: () => nowMs },
  );
  return {
    reporter,
    reported,
    stop,
    stalls: () => stalls,
    pass: (milliseconds: number): void => {
      for (let count = 0; count < milliseconds; count += TICK_MS) {
        nowMs += TICK_MS;
        mock.timers.tick(TICK_MS);
      }
    },
    /** The process is halted for so long. */
    halt: (milliseconds: number): void => {
      nowMs += milliseconds;
      mock.timers.tick(TICK_MS);
    },
  };
}

describe('the watch over a separation', () => {
  it('counts only the time without a report while it separates', (context) => {
    const { reporter, reported, stalls, pass } = watched(context);
    reporter.report('loading');
    pass(3 * LIMIT_MS);
    for (let batch = 0; batch < 5; batch++) {
      reporter.report('separating', batch / 5);
      pass(LIMIT_MS - TICK_MS);
    }
    reporter.report('encoding');
    pass(3 * LIMIT_MS);
    assert.equal(stalls(), 0);
    assert.equal(reported.length, 7);
  });

  it('tells when that was too long, and again after as long, until it is stopped', (context) => {
    const { reporter, stalls, pass, stop } = watched(context);
    reporter.report('separating', 0);
    pass(LIMIT_MS);
    assert.equal(stalls(), 1);
    pass(LIMIT_MS);
    assert.equal(stalls(), 2);
    stop();
    pass(LIMIT_MS);
    assert.equal(stalls(), 2);
  });

  it('does not count the time for which the process was halted', (context) => {
    const { reporter, stalls, halt } = watched(context);
    reporter.report('separating', 0);
    halt(1000 * LIMIT_MS);
    assert.equal(stalls(), 0);
  });

  it('waits ten times as long as a segment of each slot takes, and a minute', () => {
    assert.equal(stallLimitMs(8, 2, 1), 60_000 + 40_000);
    assert.equal(stallLimitMs(8, 2, 3), 60_000 + 120_000);
    assert.equal(stallLimitMs(8, null, 1), 60_000 + 800_000);
  });
});
