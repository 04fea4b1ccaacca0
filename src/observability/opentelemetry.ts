/**
 * Traces through OpenTelemetry. Imported only where tracing is on.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  ExportResultCode,
  setGlobalErrorHandler,
  W3CTraceContextPropagator,
} from '@opentelemetry/core';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { within } from '../lib/timeout.js';
import { withLogContext, type Logger } from './logger.js';
import { redactText } from './redact.js';
import type { Span, SpanOptions, TraceContext, Tracer } from './tracing.js';

/** What the SDK does not find in its variables by itself. */
export interface TracingConfig {
  /** How spans are sent; undefined: nowhere, and only the log has their ids. */
  protocol: 'http/protobuf' | 'http/json' | undefined;
}

export interface RunningTracer extends Tracer {
  /** Sends what waits, as far as that is done within `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>;
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

const propagator = new W3CTraceContextPropagator();
const contexts = new AsyncLocalStorageContextManager();

/**
 * Where spans go, how many are kept and how the service is called are in the variables of
 * OpenTelemetry (OTEL_*), which the SDK reads.
 *
 * @param role part of the service's name, unless OTEL_SERVICE_NAME gives one.
 */
export async function startOpenTelemetry(
  { protocol }: TracingConfig,
  { role, version, logger }: { role: string; version: string; logger: Logger },
): Promise<RunningTracer> {
  logProblems(logger);
  const own = resourceFromAttributes({
    'service.namespace': 'oxboard',
    'service.name': `oxboard-${role}`,
    'service.version': version,
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
  });
  const exporter = protocol && new TellingExporter(await loadExporter(protocol), logger);
  const provider = new BasicTracerProvider({
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: exporter ? [new BatchSpanProcessor(exporter)] : [],
  });
  const tracer = provider.getTracer('oxboard-demucs', version);
  return {
    enabled: true,
    start: (name, options = {}) => start(tracer, name, options),
    async stop(timeoutMs) {
      await within(timeoutMs, provider.shutdown()).catch(() => undefined);
    },
  };
}

async function loadExporter(
  protocol: NonNullable<TracingConfig['protocol']>,
): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}

/** Tells when spans begin to get lost, and when they arrive again: once, not at every try. */
class TellingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #logger: Logger;
  #failing = false;

  constructor(exporter: SpanExporter, logger: Logger) {
    this.#exporter = exporter;
    this.#logger = logger;
  }

  export(...[spans, done]: Parameters<SpanExporter['export']>): void {
    this.#exporter.export(spans, (result) => {
      const { code, error } = result;
      const failed = code !== ExportResultCode.SUCCESS;
      if (failed && !this.#failing) this.#logger.warn('traces_not_exported', { error });
      if (!failed && this.#failing) this.#logger.info('traces_exported_again');
      this.#failing = failed;
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}

/** What the SDK finds wrong with its variables, and spans that it had to drop. */
function logProblems(logger: Logger): void {
  // The part of the SDK that speaks comes first, values to look at last.
  const tell = (...said: unknown[]) =>
    logger.warn('tracing_problem', {
      problem: said.filter((part) => typeof part === 'string').join(': '),
    });
  const nothing = () => undefined;
  diag.setLogger(
    { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  // Failed exports, of which the exporter tells.
  setGlobalErrorHandler((error) => logger.debug('tracing_problem', { error }));
}

function start(tracer: OtelTracer, name: string, options: SpanOptions): Span {
  const { kind = 'internal', parent, attributes, startedAt } = options;
  const span = tracer.startSpan(
    name,
    {
      kind: KINDS[kind],
      ...(attributes && { attributes }),
      ...(startedAt !== undefined && { startTime: startedAt }),
    },
    contextOf(parent),
  );
  return new RecordedSpan(span);
}

function contextOf(parent: Span | TraceContext | null | undefined): Context {
  if (!parent) return contexts.active();
  if (parent instanceof RecordedSpan) return parent.inContext;
  return propagator.extract(ROOT_CONTEXT, parent, defaultTextMapGetter);
}

class RecordedSpan implements Span {
  readonly inContext: Context;
  readonly #span: OtelSpan;

  constructor(span: OtelSpan) {
    this.#span = span;
    this.inContext = trace.setSpan(ROOT_CONTEXT, span);
  }

  get context(): TraceContext {
    const carrier: TraceContext = {};
    propagator.inject(this.inContext, carrier, defaultTextMapSetter);
    return carrier;
  }

  set(attributes: Record<string, string | number | boolean | undefined>): void {
    this.#span.setAttributes(attributes);
  }

  rename(name: string): void {
    this.#span.updateName(name);
  }

  fail(error: unknown): void {
    const { name, message, stack, code } = asError(error);
    const type = code ?? name;
    this.#span.setAttributes({ 'error.type': type });
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: redactText(message) });
    this.#span.recordException({
      name: type,
      message: redactText(message),
      ...(stack !== undefined && { stack: redactText(stack) }),
    });
  }

  end(at?: number): void {
    this.#span.end(at);
  }

  run<T>(work: () => T): T {
    const { traceId, spanId } = this.#span.spanContext();
    return contexts.with(this.inContext, () =>
      withLogContext({ trace_id: traceId, span_id: spanId }, work),
    );
  }
}

function asError(error: unknown): Error & { code?: string | undefined } {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack, code } = error as Error & { code?: unknown };
  return {
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...(typeof code === 'string' && { code }),
  };
}
