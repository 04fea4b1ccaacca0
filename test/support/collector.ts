/**
 * A collector of traces: an HTTP server that takes what OTLP exporters send.
 */
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listen } from './listen.js';

interface Context {
  after: (hook: () => unknown) => void;
}

export interface CollectedSpan {
  /** `service.name` of the process that sent it. */
  service: string;
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  /** Milliseconds since 1970. */
  start: number;
  end: number;
  attributes: Record<string, string | number | boolean>;
  failed: boolean;
}

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string;
  /** What it answers; `undefined`: nothing, for ever. */
  status: number | undefined;
  requests: { path: string; type: string; body: Buffer }[];
  /** Those that came as JSON, by their start. */
  spans(): CollectedSpan[];
}

export async function startCollector(context: Context): Promise<Collector> {
  const collector: Collector = {
    url: '',
    status: 200,
    requests: [],
    spans: () =>
      collector.requests
        .filter(({ type }) => type === 'application/json')
        .flatMap(({ body }) => spansOf(JSON.parse(body.toString()) as OtlpMessage))
        .toSorted((a, b) => a.start - b.start),
  };
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const { url: path = '', headers } = request;
      const { 'content-type': type = '' } = headers;
      collector.requests.push({ path, type, body });
      if (collector.status === undefined) return;
      // An empty message, in either encoding.
      const answer = type === 'application/json' ? '{}' : '';
      response.writeHead(collector.status, { 'Content-Type': type }).end(answer);
    });
  });
  collector.url = `http://${await listen(context, server)}`;
  return collector;
}

type OtlpValue =
  { stringValue: string } | { intValue: number } | { doubleValue: number } | { boolValue: boolean };
type OtlpAttributes = { key: string; value: OtlpValue }[];

/** As far as it is read here; see opentelemetry-proto, trace.proto. */
interface OtlpMessage {
  resourceSpans: {
    resource: { attributes: OtlpAttributes };
    scopeSpans: {
      spans: {
        name: string;
        kind: number;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        attributes: OtlpAttributes;
        status: { code: number };
      }[];
    }[];
  }[];
}

const ERROR = 2;

const spansOf = ({ resourceSpans }: OtlpMessage): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ startTimeUnixNano, endTimeUnixNano, parentSpanId = '', ...span }) => ({
        ...span,
        parentSpanId,
        service: String(plain(resource.attributes)['service.name']),
        start: Number(startTimeUnixNano) / 1e6,
        end: Number(endTimeUnixNano) / 1e6,
        attributes: plain(span.attributes),
        failed: span.status.code === ERROR,
      })),
    ),
  );

const plain = (attributes: OtlpAttributes): CollectedSpan['attributes'] =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, Object.values(value)[0] as string | number | boolean]),
  );
