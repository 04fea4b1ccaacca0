/**
 * An attempt at a job in the trace of the request that made the job: a span for each stage, and within
 * the separation one for each bag member and each batch of segments that it ran.
 */
import type { ModelDescription } from '../models/archive.js';
import type { Attributes, Span, Tracer } from '../observability/tracing.js';
import type { ProgressBatch } from '../options.js';
import type { Job } from '../jobs/job.js';
import { Interruption } from './interruption.js';
import type { ProgressReporter } from './progress.js';

export class AttemptTrace {
  readonly #tracer: Tracer;
  readonly #span: Span;
  #stage: { name: string; span: Span } | undefined;
  /** Members take turns: each has a span from its first batch to its last. */
  readonly #members = new Map<number, { span: Span; segments: number; lastEnd: number }>();

  /** @param name of the attempt's span. */
  constructor(tracer: Tracer, name: string, job: Job, attributes?: Attributes) {
    this.#tracer = tracer;
    this.#span = tracer.start(name, {
      kind: 'consumer',
      parent: job.trace ?? undefined,
      attributes: {
        'oxboard.job.id': job.id,
        'oxboard.request_id': job.requestId,
        'oxboard.model': job.request.model,
        ...attributes,
      },
    });
  }

  run<T>(work: () => T): T {
    return this.#span.run(work);
  }

  /** The same reporter, whose stages and batches become spans until it is flushed. */
  follow(reporter: ProgressReporter): ProgressReporter {
    if (!this.#tracer.enabled) return reporter;
    return {
      report: (stage, fraction) => {
        if (stage !== this.#stage?.name) {
          this.#leaveStage();
          this.#stage = { name: stage, span: this.#tracer.start(stage, { parent: this.#span }) };
        }
        reporter.report(stage, fraction);
      },
      ran: (batch, model) => this.#addBatch(batch, model),
      flush: () => {
        this.#leaveStage();
        return reporter.flush();
      },
    };
  }

  /** The stage ends by that error; the next try begins it anew. */
  failStage(error: unknown): void {
    if (!(error instanceof Interruption)) this.#stage?.span.fail(error);
    this.#leaveStage();
  }

  fail(error: unknown): void {
    this.#span.fail(error);
  }

  end(outcome: string): void {
    this.#leaveStage();
    this.#span.set({ 'oxboard.job.outcome': outcome });
    this.#span.end();
  }

  #addBatch(
    { member: index, segments, seconds }: ProgressBatch,
    { members }: Pick<ModelDescription, 'members'>,
  ): void {
    const end = Date.now();
    const startedAt = end - seconds * 1000;
    const attributes = {
      'oxboard.member.index': index,
      'oxboard.member.file': members[index]?.file,
    };
    let member = this.#members.get(index);
    if (!member) {
      const parent = this.#stage?.span ?? this.#span;
      const span = this.#tracer.start('member', { parent, startedAt, attributes });
      member = { span, segments: 0, lastEnd: end };
      this.#members.set(index, member);
    }
    member.segments += segments;
    member.lastEnd = end;
    this.#tracer
      .start('batch', {
        parent: member.span,
        startedAt,
        attributes: { ...attributes, 'oxboard.segments': segments },
      })
      .end(end);
  }

  #leaveStage(): void {
    for (const { span, segments, lastEnd } of this.#members.values()) {
      span.set({ 'oxboard.segments': segments });
      span.end(lastEnd);
    }
    this.#members.clear();
    this.#stage?.span.end();
    this.#stage = undefined;
  }
}
