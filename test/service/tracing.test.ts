/** Traces: of one upload over API and worker, and what an operator sees of their way to a collector. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startCollector, type CollectedSpan } from '../support/collector.js';
import { startRedis } from '../support/redis.js';
import {
  ask,
  startService,
  untilCompleted,
  untilJob,
  type LogLine,
  type TestService,
} from '../support/service.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const redis = await startRedis({ after });
const BASE = {
  REDIS_URL: redis.url,
  DATA_DIR: path.join(folder, 'data'),
  DEMUCS_THREADS: '1',
  OBSERVABILITY_ENABLE_TRACING: 'true',
};
const song = makeAudio(path.join(folder, 'song.wav'), '0.3*sin(330*t)', { seconds: 2 });

/** A place in the trace of a client. */
const place = (digit: string, sampled = true) => ({
  traceId: digit.repeat(32),
  traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-0${sampled ? '1' : '0'}`,
});

async function post(
  service: TestService,
  file: string,
  fields: Record<string, string>,
  traceparent: string,
): Promise<string> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([readFileSync(file)]), path.basename(file));
  const { body } = await ask<{ job_id: string }>(service, '/stemify?secret=hidden', {
    method: 'POST',
    headers: { traceparent },
    body: form,
  });
  return body.job_id;
}

describe('with a collector', () => {
  const good = place('a');
  const bad = place('b');
  const unsampled = place('c', false);
  let spans: CollectedSpan[];
  let logs: LogLine[];

  before(async () => {
    const collector = await startCollector({ after });
    const receiver = await startCollector({ after });
    const env = {
      ...BASE,
      WEBHOOK_SECRET: 'a secret of more than a few letters',
      WEBHOOK_ALLOW_PRIVATE: 'true',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      // What is asserted below has arrived because the processes sent it when they were stopped.
      OTEL_BSP_SCHEDULE_DELAY: '600000',
    };
    const services = await Promise.all([
      startService({ after }, ['api'], env),
      startService({ after }, ['worker'], { ...env, DEMUCS_MAX_DURATION: '3' }),
    ]);
    const [api] = services;
    const fields = { model: 'htdemucs_ft', callback_url: `${receiver.url}/done` };
    await untilCompleted(api, await post(api, song, fields, good.traceparent));
    await until(() => receiver.requests.length > 0, 'the webhook');
    // The API takes longer songs than the worker.
    const long = makeAudio(path.join(folder, 'long.wav'), '0.3*sin(330*t)', { seconds: 4 });
    const failing = await post(api, long, { model: 'toy' }, bad.traceparent);
    await untilJob(api, failing, ({ status }) => status === 'failed');
    await untilCompleted(api, await post(api, song, { model: 'toy' }, unsampled.traceparent));
    await ask(api, '/health', { headers: { traceparent: place('d').traceparent } });
    await ask(api, '/jobs', { headers: { traceparent: `${good.traceparent} and more` } });
    assert.equal(collector.requests.length, 0);
    await Promise.all(services.map((service) => service.kill('SIGTERM')));
    assert.ok(collector.requests.every((request) => request.path === '/v1/traces'));
    spans = collector.spans();
    logs = services.flatMap((service) => service.logs());
  });

  const of = (traceId: string) => spans.filter((span) => span.traceId === traceId);
  const only = (found: CollectedSpan[], name: string): CollectedSpan => {
    const named = found.filter((span) => span.name === name);
    assert.equal(named.length, 1, `${String(named.length)} spans ${name}`);
    return named[0]!;
  };
  const childrenOf = (found: CollectedSpan[], { spanId }: CollectedSpan) =>
    found.filter(({ parentSpanId }) => parentSpanId === spanId);

  it('one upload is one trace, from the client over the API to the worker', () => {
    const trace = of(good.traceId);
    const request = only(trace, 'POST /api/v1/stemify');
    assert.equal(request.parentSpanId, 'a'.repeat(16));
    assert.equal(request.service, 'oxboard-api');
    assert.equal(request.attributes['http.response.status_code'], 202);
    assert.deepEqual(
      childrenOf(trace, request).map(({ name }) => name),
      ['upload', 'admission'],
    );
    const job = only(trace, 'job');
    assert.equal(job.parentSpanId, only(trace, 'admission').spanId);
    assert.equal(job.service, 'oxboard-worker');
    assert.equal(job.attributes['oxboard.job.outcome'], 'completed');
    assert.equal(job.attributes['oxboard.job.attempt'], 1);
    assert.deepEqual(
      childrenOf(trace, job).map(({ name }) => name),
      ['loading', 'decoding', 'separating', 'encoding', 'storing'],
    );
    assert.ok(trace.every(({ failed }) => !failed));
    assert.doesNotMatch(JSON.stringify(trace), /hidden/);
  });

  it('the webhook that tells of its end is part of it', () => {
    const trace = of(good.traceId);
    const webhook = only(trace, 'webhook');
    assert.equal(webhook.parentSpanId, only(trace, 'admission').spanId);
    assert.equal(webhook.attributes['http.response.status_code'], 200);
    assert.equal(webhook.attributes['oxboard.webhook.state'], 'delivered');
  });

  it('bag members and batches of segments are spans of the separation, of the time they took', () => {
    const trace = of(good.traceId);
    const separating = only(trace, 'separating');
    const indexOf = ({ attributes }: CollectedSpan) => Number(attributes['oxboard.member.index']);
    // Tiny networks begin within one unit of the clock.
    const members = childrenOf(trace, separating).toSorted((a, b) => indexOf(a) - indexOf(b));
    assert.deepEqual(
      members.map((member) => [member.name, indexOf(member)]),
      [0, 1, 2, 3].map((index) => ['member', index]),
    );
    assert.equal(new Set(members.map((span) => span.attributes['oxboard.member.file'])).size, 4);
    for (const member of members) {
      const batches = childrenOf(trace, member);
      const segments = batches.map(({ attributes }) => Number(attributes['oxboard.segments']));
      assert.ok(batches.length > 1);
      assert.equal(
        segments.reduce((sum, count) => sum + count, 0),
        member.attributes['oxboard.segments'],
      );
      assert.equal(member.start, batches[0]!.start);
      assert.equal(member.end, batches.at(-1)!.end);
    }
    // Networks take turns on the device: no two batches overlap by more than the clock's unit.
    const batches = trace.filter(({ name }) => name === 'batch');
    for (const [at, { start }] of batches.slice(1).entries()) {
      assert.ok(start >= batches[at]!.end - 2);
    }
    const worked = batches.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(worked > 0 && worked <= separating.end - separating.start + 2);
  });

  it('lines of the log bear the ids of the span in which they were written', () => {
    const trace = of(good.traceId);
    const idOf = (event: string) => {
      const line = logs.find((one) => one.event === event && one.trace_id === good.traceId);
      return trace.find(({ spanId }) => spanId === line?.span_id)?.name;
    };
    assert.equal(idOf('job_admitted'), 'POST /api/v1/stemify');
    assert.equal(idOf('http_request'), 'POST /api/v1/stemify');
    assert.equal(idOf('job_started'), 'job');
    assert.equal(idOf('job_completed'), 'job');
  });

  it('what failed is marked, in the stage in which it did', () => {
    const trace = of(bad.traceId);
    assert.deepEqual(
      trace.filter(({ failed }) => failed).map(({ name }) => name),
      ['job', 'decoding'],
    );
    const job = only(trace, 'job');
    assert.equal(job.attributes['error.type'], 'AUDIO_TOO_LONG');
    assert.equal(job.attributes['oxboard.job.outcome'], 'failed');
  });

  it('a client decides whether its trace is kept; the log has its id all the same', () => {
    assert.deepEqual(of(unsampled.traceId), []);
    const events = logs
      .filter((line) => line.trace_id === unsampled.traceId)
      .map(({ event }) => event);
    assert.ok(events.includes('job_admitted') && events.includes('job_completed'));
  });

  it('a malformed place begins a trace of our own; probes of the health are none', () => {
    const list = only(spans, 'GET /api/v1/jobs');
    assert.match(list.traceId, /^[0-9a-f]{32}$/);
    assert.notEqual(list.traceId, good.traceId);
    assert.equal(list.parentSpanId, '');
    assert.deepEqual(of(place('d').traceId), []);
  });
});

describe('the way to the collector', () => {
  const request = (api: TestService, digit: string) =>
    ask(api, '/jobs', { headers: { traceparent: place(digit).traceparent } });

  it('is told of once when it breaks, and when it is there again; nobody waits for it', async () => {
    const collector = await startCollector({ after });
    collector.status = 400;
    const api = await startService({ after }, ['api'], {
      ...BASE,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      // Who waited at the end for a collector that is silent would wait for ever.
      OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
    });
    const told = () =>
      api
        .logs()
        .filter(({ level, event }) => level === 'warn' || event.startsWith('traces_'))
        .map(({ event }) => event);
    for (const tries of [1, 2, 3]) {
      assert.equal((await request(api, '1')).status, 200);
      await until(() => collector.requests.length >= tries, 'another try');
    }
    await until(() => told().length > 0, 'the warning');
    collector.status = 200;
    await request(api, '2');
    await until(() => told().length > 1, 'the news');
    assert.deepEqual(told(), ['traces_not_exported', 'traces_exported_again']);

    const { type, body } = collector.requests.at(-1)!;
    assert.equal(type, 'application/x-protobuf');
    assert.ok(body.includes(Buffer.from(place('2').traceId, 'hex')));
    assert.ok(body.includes('GET /api/v1/jobs'));

    collector.status = undefined;
    await request(api, '3');
    assert.equal((await api.kill('SIGTERM')).signal, 'SIGTERM');
  });

  for (const [words, env, loads] of [
    ['nothing of OpenTelemetry is loaded while tracing is off', {}, false],
    ['nor when OTEL_SDK_DISABLED is set', { ...BASE, OTEL_SDK_DISABLED: 'true' }, false],
    ['it is when tracing is on', BASE, true],
  ] as const) {
    it(words, async () => {
      const child = fileURLToPath(new URL('children/tracer.ts', import.meta.url));
      const { PATH } = process.env;
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', child], {
        env: { PATH, ...env },
      });
      const loaded = JSON.parse(stdout) as string[];
      assert.equal(loaded.includes('@opentelemetry/sdk-trace-base'), loads);
      if (!loads) assert.deepEqual(loaded, []);
    });
  }

  it('need not be there: without an endpoint only the log has the ids, and nothing is said', async () => {
    const api = await startService({ after }, ['api'], BASE);
    await request(api, 'e');
    const line = await until(
      () => api.logs().find(({ event }) => event === 'http_request'),
      'the line',
    );
    assert.equal(line.trace_id, place('e').traceId);
    assert.deepEqual(
      api.logs().filter(({ level }) => level === 'warn' || level === 'error'),
      [],
    );
    await api.kill('SIGTERM');
  });
});
