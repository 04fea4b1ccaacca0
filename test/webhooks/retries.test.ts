/** For how long, and how often, a delivery that fails is tried. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { delayAfter, RETRIES } from '../../src/webhooks/retries.js';

const HOUR = 3_600_000;

void it('a delivery is tried for a day: soon at first, then every few hours, and not all at once', () => {
  let waited = 0;
  let tries = 1;
  for (; waited <= RETRIES.forMs; tries++) {
    const delay = delayAfter(tries, RETRIES);
    if (tries === 1) assert.ok(delay >= 4_000 && delay <= 6_000);
    assert.ok(delay <= 3.5 * HOUR);
    waited += delay;
  }
  assert.ok(waited > 24 * HOUR);
  assert.ok(tries >= 12 && tries <= 20, `${tries} tries`);
  assert.ok(new Set(Array.from({ length: 20 }, () => delayAfter(8, RETRIES))).size > 1);
});
