/**
 * Traces as the rest of the service sees them. Nothing of OpenTelemetry is loaded from here: while
 * tracing is off, a span is one object that does nothing, the same for all.
 */

/** Names are those of OpenTelemetry where it has one, else begin with `oxboard.`. */
export type Attributes = Record<string, string | number | boolean | undefined>;

/** Headers of W3C Trace Context: a place in a trace, to go on from in another process. */
export interface TraceContext {
  traceparent?: string | undefined;
  tracestate?: string | undefined;
}

/** A stretch of time in a trace. */
export interface Span {
  /** Adds facts; those that are undefined are left out. */
  set(attributes: Attributes): void;
  rename(name: string): void;
  /** Marks it as failed. */
  fail(error: unknown): void;
  /** @param at milliseconds since 1970; now by default. */
  end(at?: number): void;
  /** Spans that are started within `work`, also later on, are parts of this one; lines that are logged there bear its ids. */
  run<T>(work: () => T): T;
  /** Its place in the trace; undefined while tracing is off. */
  readonly context: TraceContext | undefined;
}

export interface SpanOptions {
  /** What it is to other processes: `internal` unless work is asked for or handed over. */
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** Of what it is a part: by default of the span within which it is started. */
  parent?: Span | TraceContext | null | undefined;
  attributes?: Attributes;
  /** Milliseconds since 1970; now by default. */
  startedAt?: number;
}

export interface Tracer {
  /** False while tracing is off: facts need not be collected. */
  readonly enabled: boolean;
  start(name: string, options?: SpanOptions): Span;
}

const NO_SPAN: Span = {
  set: () => undefined,
  rename: () => undefined,
  fail: () => undefined,
  end: () => undefined,
  run: (work) => work(),
  context: undefined,
};

export const NO_TRACER: Tracer = { enabled: false, start: () => NO_SPAN };

/** Does `work` within a span of its own; what it throws marks the span as failed. */
export async function inSpan<T>(
  tracer: Tracer,
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  if (!tracer.enabled) return work(NO_SPAN);
  const span = tracer.start(name, options);
  try {
    return await span.run(() => work(span));
  } catch (error) {
    span.fail(error);
    throw error;
  } finally {
    span.end();
  }
}
