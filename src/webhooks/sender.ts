/**
 * One try to deliver a message. Nothing that the receiver does keeps us longer than the time limit, or
 * makes us read more than a little.
 */
import type { LookupFunction } from 'node:net';
import { Agent, errors, request } from 'undici';
import { OxboardError } from '../errors.js';
import { publicLookup } from '../network/name-servers.js';
import { parseCallbackUrl } from './callback-url.js';
import { signedHeaders } from './signature.js';

/** Milliseconds that a receiver has for its answer, and then for the rest of it. */
const ANSWER_MS = 15_000;
const REST_MS = 1_000;
/** Bytes of an answer, which nobody reads: more of it costs the receiver its connection. */
const REST_BYTES = 16_384;

export interface Message {
  id: string;
  url: string;
  /** JSON. */
  body: string;
  signal: AbortSignal;
}

/** What came of a try: the status that the receiver answered, or why there is none. */
export type Outcome = { status: number } | { error: string };

export interface Sender {
  /** @throws only the reason of `signal`. */
  send(message: Message): Promise<Outcome>;
  close(): Promise<void>;
}

export interface SenderSettings {
  secret: string;
  /** Also to private addresses, and to other ports than those of the web. */
  allowPrivate: boolean;
  /** Of the package. */
  version: string;
  answerMs?: number;
  /** Of names, unless private addresses are allowed. */
  lookup?: LookupFunction;
}

export function createSender({
  secret,
  allowPrivate,
  version,
  answerMs = ANSWER_MS,
  lookup = publicLookup,
}: SenderSettings): Sender {
  const agent = new Agent({
    // A connection of its own for each: one that was kept may be closed by the other end just then.
    pipelining: 0,
    connect: { timeout: answerMs, ...(!allowPrivate && { lookup }) },
  });

  return {
    async send({ id, url, body, signal }) {
      const late = AbortSignal.timeout(answerMs);
      try {
        // Again: what is allowed may have changed since the job was admitted. It follows no redirect.
        const answer = await request(parseCallbackUrl(url, { allowPrivate }), {
          method: 'POST',
          dispatcher: agent,
          signal: AbortSignal.any([signal, late]),
          headers: {
            'content-type': 'application/json',
            'user-agent': `oxboard-demucs/${version}`,
            ...signedHeaders(secret, { id, at: Date.now(), body }),
          },
          body,
        });
        const rest = { limit: REST_BYTES, signal: AbortSignal.timeout(REST_MS) };
        await answer.body.dump(rest).catch(() => undefined);
        return { status: answer.statusCode };
      } catch (error) {
        signal.throwIfAborted();
        const words = late.aborted ? `no answer within ${String(answerMs / 1000)} s` : why(error);
        return { error: words };
      }
    },
    close: () => agent.destroy(),
  };
}

/** What the client may know: neither addresses nor anything that the other end said. */
function why(error: unknown): string {
  if (error instanceof OxboardError) return error.message;
  if (error instanceof errors.HTTPParserError) return 'the receiver does not speak HTTP';
  const { code } = error as NodeJS.ErrnoException;
  return `the connection failed (${code ?? 'for an unknown reason'})`;
}
