import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { OxboardError } from '../../src/errors.js';
import { createLogger, withLogContext, type LoggerConfig } from '../../src/observability/logger.js';

/** A logger, and what it wrote. */
function recorder(config: Partial<LoggerConfig> = {}, fields = {}) {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const log = createLogger(
    { environment: 'production', logLevel: 'debug', ...config },
    { stream, fields },
  );
  return {
    log,
    text: () => chunks.join(''),
    lines: () =>
      chunks
        .join('')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

describe('logs', () => {
  it('are JSON lines with time, level, event and fields', () => {
    const { log, lines } = recorder({}, { process: 'worker' });
    const before = Date.now();
    log.info('job_completed', { job_id: 'j1', duration: 1.5, model: 'htdemucs', none: undefined });
    const [line] = lines();
    assert.deepEqual(Object.keys(line!).slice(0, 3), ['timestamp', 'level', 'event']);
    const time = Date.parse(line!.timestamp as string);
    assert.ok(time >= before && time <= Date.now());
    assert.deepEqual(
      { ...line, timestamp: 0 },
      {
        timestamp: 0,
        level: 'info',
        event: 'job_completed',
        process: 'worker',
        job_id: 'j1',
        duration: 1.5,
        model: 'htdemucs',
      },
    );
  });

  it('keep to the level', () => {
    const { log, lines } = recorder({ logLevel: 'warn' });
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    assert.deepEqual(
      lines().map(({ event }) => event),
      ['c', 'd'],
    );
  });

  it('carry the context of what they were logged within, over awaits and nested', async () => {
    const { log, lines } = recorder();
    await Promise.all(
      ['r1', 'r2'].map((request_id) =>
        withLogContext({ request_id }, async () => {
          await sleep(1);
          log.info('asked');
          await withLogContext({ job_id: `of ${request_id}` }, async () => {
            await sleep(1);
            log.info('queued', { lane: 'short' });
          });
        }),
      ),
    );
    log.info('outside');
    const seen = lines().map(({ event, request_id, job_id }) => ({ event, request_id, job_id }));
    for (const request_id of ['r1', 'r2']) {
      assert.deepEqual(
        seen.filter((line) => line.request_id === request_id),
        [
          { event: 'asked', request_id, job_id: undefined },
          { event: 'queued', request_id, job_id: `of ${request_id}` },
        ],
      );
    }
    assert.equal(seen.at(-1)?.request_id, undefined);
  });

  it('tell an error with its code, stack and cause', () => {
    const { log, lines } = recorder();
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    log.error('redis_lost', { error: new OxboardError('REDIS_UNAVAILABLE', 'away', { cause }) });
    const error = lines()[0]!.error as Record<string, unknown>;
    assert.equal(error.code, 'REDIS_UNAVAILABLE');
    assert.equal(error.message, 'away');
    assert.match(String(error.stack), /logger\.test\.ts/);
    assert.equal((error.cause as Record<string, unknown>).code, 'ECONNREFUSED');
  });

  for (const environment of ['production', 'development'] as const) {
    it(`never hold a secret (${environment})`, () => {
      const { log, text } = recorder({ environment });
      const error = new Error('no redis://default:hush-1@db:6379/0, nor redis://:hush-2@db');
      error.cause = new Error('GET /api/v1/jobs/1/stems/vocals?token=hush-3&download=1');
      log.error('failed with Bearer hush-4', {
        error,
        url: 'https://hush-5@example.org/x?a=1&signature=hush-6',
        headers: { Authorization: 'hush-7', 'x-api-key': 'hush-8', 'Set-Cookie': 'hush-9' },
        claimToken: 'hush-10',
        nested: [{ password: 'hush-11', said: 'Authorization: Basic aHVzaC0xMg==' }],
        webhook_secret: 'hush-13',
        signed: 'https://b.example.org/?X-Amz-Credential=hush-15&X-Amz-Signature=hush-16',
        apiKeys: ['hush-14'],
        unescaped: 'no redis://admin:hush-17/hush-18?hush-19@queue:6379/0',
        channel: 'https://www.youtube.com:443/@kept',
        alone: 'eyJhbGciOiJIUzI1NiJ9.aHVzaC0xMg.aHVzaC0xMg',
        kept: 'https://example.org/?page=2',
      });
      assert.doesNotMatch(text(), /hush|aHVzaC/);
      assert.match(text(), /example\.org\/\?page=2/);
      assert.match(text(), /youtube\.com:443\/@kept/);
    });
  }

  it('take no time for texts that strangers made to take it, such as paths', () => {
    const { log } = recorder();
    for (const piece of ['a.', '-eyJ', 'bearer ', '&token_', 'a://', 'eyJaaaaaaaa.']) {
      const path = piece.repeat(16_000 / piece.length);
      const times = Array.from({ length: 5 }, () => {
        const began = performance.now();
        log.info('http_request', { path });
        return performance.now() - began;
      });
      assert.ok(Math.min(...times) < 60, `${piece}: ${times.map(Math.round).join(', ')} ms`);
    }
  });

  it('survive whatever a field holds', () => {
    const { log, lines } = recorder();
    const circle: Record<string, unknown> = { size: 10n, nan: NaN, when: new Date(NaN) };
    circle.self = circle;
    log.info('odd', { circle, bytes: new Uint8Array(5), long: 'x'.repeat(1e6), f: () => 1 });
    log.info('two\nlines', { text: 'a\nb' });
    assert.equal(lines().length, 2);
    assert.ok(JSON.stringify(lines()[0]).length < 30_000);
  });

  it('are text for people in development', () => {
    const { log, text } = recorder({ environment: 'development' });
    log.warn('job_failed', { job_id: 'j1', error: new OxboardError('INFERENCE_FAILED', 'odd') });
    assert.match(text(), /job_failed job_id=j1 error=INFERENCE_FAILED: odd\n.*\n\s+at /s);
  });
});
