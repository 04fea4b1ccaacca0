/** Spans of attempts at a job, as a collector gets them. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { startOpenTelemetry } from '../../src/observability/opentelemetry.js';
import { inSpan, NO_TRACER, type Span } from '../../src/observability/tracing.js';
import type { Job } from '../../src/jobs/job.js';
import { AttemptTrace } from '../../src/worker/attempt-trace.js';
import { Interruption } from '../../src/worker/interruption.js';
import type { ProgressReporter } from '../../src/worker/progress.js';
import { startCollector } from '../support/collector.js';
import { recordingLogger } from '../support/logs.js';

const TRACE = 'a'.repeat(32);
const job = {
  id: 'the-job',
  requestId: 'the-request',
  request: { model: 'toy' },
  trace: { traceparent: `00-${TRACE}-${'b'.repeat(16)}-01`, tracestate: 'vendor=kept' },
} as Job;
const model = { members: [{ file: 'one.pt' }, { file: 'two.pt' }] } as Parameters<
  NonNullable<ProgressReporter['ran']>
>[1];

/** Spans that `work` makes with a tracer of its own. */
async function traced(
  work: (
    tracer: Awaited<ReturnType<typeof startOpenTelemetry>>,
    reporter: ProgressReporter,
  ) => void | Promise<void>,
) {
  const collector = await startCollector({ after });
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  const { logger } = recordingLogger();
  const role = { role: 'worker', version: '1.2.3', logger };
  const tracer = await startOpenTelemetry({ protocol: 'http/json' }, role);
  await work(tracer, { report: () => undefined, flush: () => Promise.resolve() });
  await tracer.stop(10_000);
  return collector.spans();
}

describe('an attempt at a job', () => {
  it('that is tried again has its stages twice, the failed one with the code of its error', async () => {
    const spans = await traced(async (tracer, reporter) => {
      const attempt = new AttemptTrace(tracer, 'job', job);
      const progress = attempt.follow(reporter);
      progress.report('loading');
      progress.report('separating', 0);
      progress.ran?.({ member: 1, segments: 3, seconds: 0.01 }, model);
      attempt.failStage(new OxboardError('OUT_OF_MEMORY', 'at redis://user:secret@host'));
      progress.report('loading');
      progress.report('separating', 0);
      progress.ran?.({ member: 1, segments: 2, seconds: 0.01 }, model);
      progress.ran?.({ member: 1, segments: 2, seconds: 0.01 }, model);
      await progress.flush();
      attempt.end('completed');
    });
    assert.ok(spans.every(({ traceId }) => traceId === TRACE));
    const named = (name: string) => spans.filter((span) => span.name === name);
    assert.equal(named('job')[0]?.parentSpanId, 'b'.repeat(16));
    assert.equal(named('job')[0]?.failed, false);
    assert.equal(named('loading').length, 2);
    const [first, second] = named('separating');
    assert.equal(first?.attributes['error.type'], 'OUT_OF_MEMORY');
    assert.deepEqual([first.failed, second?.failed], [true, false]);
    assert.deepEqual(
      named('member').map(({ parentSpanId, attributes }) => [
        parentSpanId,
        attributes['oxboard.member.file'],
        attributes['oxboard.segments'],
      ]),
      [
        [first.spanId, 'two.pt', 3],
        [second?.spanId, 'two.pt', 4],
      ],
    );
    assert.doesNotMatch(JSON.stringify(spans), /secret/);
  });

  it('that was interrupted has failed in no stage', async () => {
    const spans = await traced((tracer, reporter) => {
      const attempt = new AttemptTrace(tracer, 'job', job);
      attempt.follow(reporter).report('decoding');
      attempt.failStage(new Interruption('cancelled'));
      attempt.end('cancelled');
    });
    assert.deepEqual(spans.map(({ name }) => name).toSorted(), ['decoding', 'job']);
    assert.ok(spans.every(({ failed }) => !failed));
    const attempt = spans.find(({ name }) => name === 'job');
    assert.equal(attempt?.attributes['oxboard.job.outcome'], 'cancelled');
  });

  it('goes on elsewhere in the same trace, with what vendors keep in it', async () => {
    let context: Span['context'];
    await traced((tracer) =>
      inSpan(tracer, 'admission', { parent: job.trace }, (span) => {
        context = span.context;
        return Promise.resolve();
      }),
    );
    assert.match(context?.traceparent ?? '', new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    assert.equal(context?.tracestate, 'vendor=kept');
  });
});

describe('while tracing is off', () => {
  it('an attempt is reported by the reporter as it is, and no job carries a place in a trace', async () => {
    const reporter: ProgressReporter = {
      report: () => undefined,
      flush: () => Promise.resolve(),
    };
    const attempt = new AttemptTrace(NO_TRACER, 'job', job);
    assert.equal(attempt.follow(reporter), reporter);
    assert.equal(
      attempt.run(() => 'done'),
      'done',
    );
    attempt.end('completed');
    await inSpan(NO_TRACER, 'admission', {}, (span) => {
      assert.equal(span.context, undefined);
      return Promise.resolve();
    });
  });
});
