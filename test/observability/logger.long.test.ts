/** How long the log takes for texts that strangers made to take its time. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { it } from 'node:test';
import { createLogger } from '../../src/observability/logger.js';

/** Milliseconds of a processor. */
const LONGEST_MS = 60;

it('a log line takes no time for texts that strangers made to take it, such as paths', (context) => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() });
  const log = createLogger({ environment: 'production', logLevel: 'debug' }, { stream });
  for (const piece of ['a.', '-eyJ', 'bearer ', '&token_', 'a://', 'eyJaaaaaaaa.']) {
    const path = piece.repeat(16_000 / piece.length);
    const times = Array.from({ length: 5 }, () => {
      const before = process.cpuUsage();
      log.info('http_request', { path });
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    context.diagnostic(`${piece}: ${times.map((time) => time.toFixed(1)).join(', ')} ms`);
    assert.ok(Math.min(...times) < LONGEST_MS, piece);
  }
});
