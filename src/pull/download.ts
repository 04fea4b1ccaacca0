/**
 * Downloads one file: complete and checked, or resumable, also by a later process.
 *
 * undici's retry interceptor does not serve here. It resumes within one process and with an ETag only,
 * and it continues with the address that a storage host may have refused because it has expired.
 */
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireFreeSpace, type DiskPlace } from '../lib/disk.js';
import { count } from '../lib/format.js';
import { sha256OfFile } from '../lib/hash.js';
import { OxboardError } from '../errors.js';
import type { Answer, Http } from './http.js';
import { connectionError, displayUrl, TransientError } from './http-errors.js';
import { PartialFile, type Downloaded, type Version } from './partial-file.js';

export interface RetryPolicy {
  /** Failures in a row that end the download. */
  attempts: number;
  /** The wait before the second attempt; each further one is twice as long. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** The longest wait that a server may ask for. */
  maxRetryAfterMs: number;
  /** Bytes that make an attempt count as a success, though it broke off. */
  progressBytes: number;
}

export const RETRY_POLICY: RetryPolicy = {
  attempts: 8,
  firstDelayMs: 1000,
  maxDelayMs: 60_000,
  maxRetryAfterMs: 300_000,
  progressBytes: 2 ** 20,
};

/** Failures that end the download when no byte has arrived and the host is unknown. */
const UNKNOWN_HOST_ATTEMPTS = 3;

export interface DownloadRequest {
  url: URL;
  /** See Http.get. */
  token?: string | undefined;
  tokenAdvice: string;
  /** Where the finished file goes. */
  file: string;
  /** The folder of `file`, for messages. */
  place: DiskPlace;
  /** Bytes and checksum, where known beforehand. */
  size?: number | undefined;
  sha256?: string | undefined;
  signal: AbortSignal;
  retry: RetryPolicy;
  /** @param total bytes of the whole file, once they are known. */
  onProgress: (received: number, total: number | undefined) => void;
  /** Called with sentences for the user: a broken connection, a start from the beginning. */
  onNotice: (notice: string) => void;
}

/**
 * Downloads a file, resuming an earlier download that was broken off.
 *
 * @throws OxboardError DOWNLOAD_FAILED, DOWNLOAD_UNAUTHORISED, DOWNLOAD_NOT_FOUND, DOWNLOAD_CORRUPT,
 * DISK_FULL, OUTPUT_UNWRITABLE; `signal.reason` when aborted.
 */
export async function download(http: Http, request: DownloadRequest): Promise<Downloaded> {
  const { url, file, place, signal, retry, sha256, onProgress, onNotice } = request;
  const partial = new PartialFile(file, displayUrl(url), place);
  const done = await partial.completed(signal);
  if (done && (sha256 === undefined || done.sha256 === sha256)) {
    onProgress(done.size, done.size);
    return done;
  }
  let resumed = false;
  let failures = 0;
  let hasBegun = false;
  for (;;) {
    const before = await partial.size();
    try {
      resumed = (await fetchMissing(http, request, partial)) || resumed;
      return await finish(request, partial);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WrongFile && resumed) {
        resumed = false;
        onNotice(`${displayUrl(url)} has changed since it was begun: starting again`);
        continue;
      }
      if (error instanceof WrongFile) throw corrupt(url, error.message, error);
      if (!(error instanceof TransientError)) throw error;
      const gained = (await partial.size()) - before;
      hasBegun ||= gained > 0;
      failures = gained >= retry.progressBytes ? 1 : failures + 1;
      const limit = error.unknownHost && !hasBegun ? UNKNOWN_HOST_ATTEMPTS : retry.attempts;
      if (failures >= limit) throw exhausted(url, error);
      const waitMs = retryDelayMs(request, error, failures);
      const seconds = Math.max(1, Math.round(waitMs / 1000));
      onNotice(`${error.message}; trying again in ${String(seconds)} s`);
      await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** The bytes that arrived are not the file that was asked for. */
class WrongFile extends Error {}

function retryDelayMs({ url, retry }: DownloadRequest, error: TransientError, failures: number) {
  const { firstDelayMs, maxDelayMs, maxRetryAfterMs } = retry;
  const requestedMs = error.retryAfterMs ?? 0;
  if (requestedMs > maxRetryAfterMs) {
    throw new OxboardError(
      'DOWNLOAD_FAILED',
      `${error.message} and asks to come back in ${count(Math.ceil(requestedMs / 60_000), 'minute')} ` +
        `(${displayUrl(url)}). Run the command again then: it goes on where it ended`,
      { cause: error },
    );
  }
  const backoffMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1));
  // At random, so that the clients of a host that restarts do not come back all at once.
  return Math.max(requestedMs, backoffMs * (0.5 + Math.random() / 2));
}

/** The error of a URL that was tried often enough. */
export const exhausted = (url: URL, error: TransientError): OxboardError =>
  new OxboardError(
    'DOWNLOAD_FAILED',
    `${displayUrl(url)} could not be downloaded: ${error.message}. Run the command again: it goes ` +
      'on where it ended. Behind a proxy set HTTPS_PROXY; without a network see --source',
    { cause: error },
  );

const corrupt = (url: URL, problem: string, cause?: unknown): OxboardError =>
  new OxboardError(
    'DOWNLOAD_CORRUPT',
    `${displayUrl(url)} is not the published file: ${problem}. Try again, or another --source`,
    { cause },
  );

/**
 * Fetches what is missing of the partial file.
 *
 * @returns whether it was begun earlier.
 */
async function fetchMissing(
  http: Http,
  request: DownloadRequest,
  partial: PartialFile,
): Promise<boolean> {
  const version = await partial.version();
  // Without a validator, only the checksum can show that the halves belong together.
  const resumable =
    version && (version.validator !== undefined || expectedSha256(request, version) !== undefined);
  const size = resumable ? await partial.size() : 0;
  const total = version?.total ?? request.size;
  if (size > 0 && size === total) return true;
  const offset = total !== undefined && size > total ? 0 : size;

  const headers: Record<string, string> = {};
  if (offset > 0) {
    headers.range = `bytes=${String(offset)}-`;
    if (version?.validator !== undefined) headers['if-range'] = version.validator;
  }
  const { url, token, tokenAdvice, signal } = request;
  request.onProgress(offset, total);
  const answer = await http.get(url, { headers, token, tokenAdvice, signal });
  const chunks = readBody(answer.body);
  try {
    const part = await prepare(request, partial, answer, offset);
    await receive(request, partial, chunks, part);
    return part.start > 0;
  } finally {
    answer.body.destroy();
  }
}

/** The bytes of the file that an answer has: from `start` to the end. */
interface Part {
  start: number;
  /** Bytes of the whole file. */
  total: number | undefined;
}

/** Decides where the answer's bytes go, and prepares the partial file for them. */
async function prepare(
  request: DownloadRequest,
  partial: PartialFile,
  { status, header, linked }: Answer,
  offset: number,
): Promise<Part> {
  const { url, onNotice } = request;
  if (status === 416) {
    await partial.discard();
    throw new TransientError(`${url.host} has no bytes after ${String(offset)}`);
  }
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(header('content-range') ?? '') ?? [];
    if (Number(start) !== offset || offset === 0) {
      await partial.discard();
      throw new TransientError(`${url.host} sent another part than was asked for`);
    }
    checkTotal(request, Number(total));
    return { start: offset, total: Number(total) };
  }
  if (offset > 0) onNotice(`${url.host} does not resume this file: starting again`);
  const length = header('content-length');
  const total = length === undefined ? undefined : Number(length);
  if (total !== undefined) checkTotal(request, linked.size ?? total);
  const validator = strongValidator(header);
  await partial.restart({
    ...(validator !== undefined && { validator }),
    ...(total !== undefined && { total }),
    ...(linked.sha256 !== undefined && { announced: linked.sha256 }),
  });
  return { start: 0, total };
}

function checkTotal({ url, size }: DownloadRequest, total: number): void {
  if (size !== undefined && total !== size) {
    throw corrupt(url, `it has ${String(total)} bytes instead of ${String(size)}`);
  }
}

/** What identifies the very bytes of a version; a weak ETag does not. */
function strongValidator(header: Answer['header']): string | undefined {
  const etag = header('etag');
  if (etag !== undefined) return /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined;
  return header('last-modified');
}

async function receive(
  request: DownloadRequest,
  partial: PartialFile,
  chunks: AsyncIterable<Buffer>,
  { start, total }: Part,
): Promise<void> {
  const { url, size, place, signal, onProgress } = request;
  if (total !== undefined) await requireFreeSpace(partial.folder, total - start, place);
  const limit = size ?? total ?? Infinity;
  let received = start;
  const writer = await partial.append();
  try {
    for await (const chunk of chunks) {
      received += chunk.length;
      if (received > limit) throw corrupt(url, `it has more than ${String(limit)} bytes`);
      await writer.write(chunk);
      onProgress(received, size ?? total);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof BrokenBody ? connectionError(error.cause, url) : error;
  } finally {
    await writer.close();
  }
  if (total !== undefined && received < total) {
    throw new TransientError(`${url.host} ended the file ${String(total - received)} bytes early`);
  }
}

/** The connection ended before its answer did; the cause says how. */
export class BrokenBody extends Error {}

/** Bytes that may wait to be written: more than any published file has. */
const MAX_WAITING_BYTES = 2 ** 28;

/**
 * Reads a body as it arrives. When the connection breaks, all bytes that came before are yielded first;
 * a stream's own iterator would drop those that are still in its buffer.
 *
 * Must be called at once: a stream that ends without listeners gives nothing later. The stream is never
 * paused: undici 7 crashes when a server closes a connection that is paused (nodejs/undici#5360).
 *
 * @returns an iterable that throws BrokenBody.
 */
export function readBody(body: Readable): AsyncIterable<Buffer> {
  const chunks: Buffer[] = [];
  let waitingBytes = 0;
  let ended = false;
  let failure: unknown;
  let wake: () => void = () => undefined;
  body.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes > MAX_WAITING_BYTES) body.destroy(new Error('the disk is slower than it'));
    wake();
  });
  body.on('error', (error) => (failure = error));
  body.on('close', () => {
    ended = true;
    wake();
  });
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = chunks.shift();
        if (chunk) {
          waitingBytes -= chunk.length;
          yield chunk;
        } else if (ended) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      if (failure !== undefined) throw new BrokenBody('broken', { cause: failure });
    },
  };
}

const expectedSha256 = ({ sha256 }: DownloadRequest, version?: Version): string | undefined =>
  sha256 ?? version?.announced;

async function finish(request: DownloadRequest, partial: PartialFile): Promise<Downloaded> {
  const size = await partial.size();
  const version = await partial.version();
  const expected = expectedSha256(request, version);
  const sha256 = await sha256OfFile(partial.path, request);
  const problem =
    request.size !== undefined && size !== request.size
      ? `it has ${String(size)} bytes instead of ${String(request.size)}`
      : expected !== undefined && sha256 !== expected
        ? `its SHA-256 begins with ${sha256.slice(0, 8)} instead of ${expected.slice(0, 8)}`
        : undefined;
  if (problem !== undefined) {
    await partial.discard();
    throw new WrongFile(problem);
  }
  const result = { size, sha256, announced: version?.announced !== undefined };
  await partial.complete(result);
  return result;
}
