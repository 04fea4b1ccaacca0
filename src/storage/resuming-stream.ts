/**
 * A stream over a connection that may break or go stale while it is read: it goes on where it was.
 */
import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';

const HIGH_WATER_MARK = 1 << 18;
/** Breaks in a row, without a byte between. */
const MOST_BREAKS = 3;

export interface ResumingOptions {
  /** The first connection, at the first byte. */
  body: Readable;
  /** How many bytes there are to come. */
  length: number;
  /**
   * Another connection, from the byte `at` on, counted from the first one of `body`; whoever reads is
   * gone when the signal aborts.
   */
  reopen: (at: number, signal: AbortSignal) => Promise<Readable>;
  explain: (error: unknown) => unknown;
  signal: AbortSignal | undefined;
}

/** Whoever reads may take hours: while nothing is wanted, a broken connection stays broken. */
export function resumingStream(options: ResumingOptions): Readable {
  const { signal } = options;
  const stream = new PassThrough({ highWaterMark: HIGH_WATER_MARK });
  const closed = new AbortController();
  const stop = () => stream.destroy(signal?.reason as Error);
  signal?.addEventListener('abort', stop, { once: true });
  stream.once('close', () => {
    closed.abort();
    signal?.removeEventListener('abort', stop);
  });
  if (signal?.aborted) stop();
  pump(stream, closed.signal, options).then(
    () => stream.end(),
    (error: unknown) => stream.destroy(error as Error),
  );
  return stream;
}

async function pump(
  stream: PassThrough,
  closed: AbortSignal,
  { body: first, length, reopen, explain }: ResumingOptions,
): Promise<void> {
  let at = 0;
  let breaks = 0;
  const copy = async (body: Readable): Promise<void> => {
    const abandon = () => void body.destroy();
    closed.addEventListener('abort', abandon, { once: true });
    if (closed.aborted) abandon();
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        at += chunk.length;
        breaks = 0;
        if (!stream.write(chunk)) await once(stream, 'drain', { signal: closed });
      }
    } finally {
      closed.removeEventListener('abort', abandon);
    }
    if (at !== length) throw new Error(`The storage gave ${at} of ${length} bytes`);
  };
  for (let body = first; ;) {
    try {
      await copy(body);
      return;
    } catch (error) {
      // More bytes, or as many but others than the storage says, do not get better.
      if (stream.destroyed || at >= length || ++breaks > MOST_BREAKS) throw explain(error);
    }
    body = await reopen(at, closed);
  }
}
