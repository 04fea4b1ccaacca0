/**
 * One file from the network to the disk: whole and checked, or resumable.
 *
 * Bytes go to `<file>.partial`; `<file>.partial.json` says which version of the remote file they
 * belong to. The file gets its own name only when its size and checksum are right.
 */
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { diskError, requireFreeSpace, type DiskPlace } from '../lib/disk.js';
import { sha256OfFile } from '../lib/hash.js';
import { OxboardError } from '../errors.js';
import { connectionError, displayUrl, Retryable, type Answer, type Http } from './http.js';

export interface RetryPolicy {
  /** Failures in a row that end the download. */
  attempts: number;
  /** Milliseconds before the second try; each further wait is twice as long. */
  firstDelay: number;
  maxDelay: number;
  /** The longest wait in milliseconds that a server may ask for. */
  maxRetryAfter: number;
  /** Bytes that make a try count as a success, though it broke off. */
  progress: number;
}

export const RETRY: RetryPolicy = {
  attempts: 8,
  firstDelay: 1000,
  maxDelay: 60_000,
  maxRetryAfter: 300_000,
  progress: 2 ** 20,
};

export interface DownloadRequest {
  url: URL;
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
  /** Told what a person may want to know: a broken connection, a start from the beginning. */
  onNotice: (notice: string) => void;
}

export interface Downloaded {
  size: number;
  sha256: string;
  /** The host itself named the checksum, and it is right. */
  announced: boolean;
}

const versionSchema = z.object({
  url: z.string(),
  /** For If-Range: a strong ETag, or a date. */
  validator: z.string().optional(),
  /** Bytes of the whole file. */
  total: z.int().min(0).optional(),
  announced: z.string().optional(),
});
/** Which version of the remote file the partial one is a part of. */
type Version = z.output<typeof versionSchema>;

/**
 * Downloads a file, going on where an earlier download was broken off.
 *
 * @throws OxboardError DOWNLOAD_FAILED, DOWNLOAD_UNAUTHORISED, DOWNLOAD_NOT_FOUND, DOWNLOAD_CORRUPT,
 * DISK_FULL, OUTPUT_UNWRITABLE; `signal.reason` when aborted.
 */
export async function download(http: Http, task: DownloadRequest): Promise<Downloaded> {
  const done = await downloadedEarlier(task);
  if (done) return done;
  const partial = new PartialFile(task.file, displayUrl(task.url), task.place);
  let resumed = false;
  let failures = 0;
  for (;;) {
    const before = await partial.size();
    try {
      resumed = (await fetchRest(http, task, partial)) || resumed;
      return await finish(task, partial);
    } catch (error) {
      task.signal.throwIfAborted();
      if (error instanceof Mixed && resumed) {
        resumed = false;
        task.onNotice(`${displayUrl(task.url)} has changed since it was begun: starting again`);
        continue;
      }
      if (error instanceof Mixed) throw corrupt(task.url, error.message, error);
      if (!(error instanceof Retryable)) throw error;
      const gained = (await partial.size()) - before;
      failures = gained >= task.retry.progress ? 1 : failures + 1;
      if (failures >= task.retry.attempts) throw exhausted(task.url, error);
      const wait = delay(task, error, failures);
      const seconds = Math.max(1, Math.round(wait / 1000));
      task.onNotice(`${error.message}; trying again in ${String(seconds)} s`);
      await sleep(wait, undefined, { signal: task.signal }).catch(() => {
        task.signal.throwIfAborted();
      });
    }
  }
}

/** What arrived is not the file that was asked for. */
class Mixed extends Error {}

function delay({ url, retry }: DownloadRequest, error: Retryable, failures: number): number {
  const { firstDelay, maxDelay, maxRetryAfter } = retry;
  const asked = error.waitFor ?? 0;
  if (asked > maxRetryAfter) {
    throw new OxboardError(
      'DOWNLOAD_FAILED',
      `${error.message} and asks to come back in ${String(Math.ceil(asked / 60_000))} minutes ` +
        `(${displayUrl(url)}). Run the command again then: it goes on where it ended`,
      { cause: error },
    );
  }
  const backoff = Math.min(maxDelay, firstDelay * 2 ** (failures - 1));
  // Many clients that a host's restart threw out must not all come back at one moment.
  return Math.max(asked, backoff * (0.5 + Math.random() / 2));
}

const exhausted = (url: URL, error: Retryable): OxboardError =>
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
async function fetchRest(
  http: Http,
  task: DownloadRequest,
  partial: PartialFile,
): Promise<boolean> {
  const version = await partial.version();
  let offset = await partial.size();
  // Without a way to tell versions apart, only the checksum can show that the halves fit.
  if (
    !version ||
    (version.validator === undefined && expectedSha256(task, version) === undefined)
  ) {
    offset = 0;
  }
  const total = version?.total ?? task.size;
  if (offset > 0 && offset === total) return true;
  if (total !== undefined && offset > total) offset = 0;

  const { url, token, tokenAdvice, signal } = task;
  const headers: Record<string, string> = {};
  if (offset > 0) {
    headers.range = `bytes=${String(offset)}-`;
    if (version?.validator !== undefined) headers['if-range'] = version.validator;
  }
  task.onProgress(offset, total);
  const answer = await http.get(url, { headers, token, tokenAdvice, signal });
  const chunks = takeIn(answer.body);
  try {
    const part = await begin(task, partial, answer, offset);
    await receive(task, partial, chunks, part);
    return part.start > 0;
  } finally {
    answer.body.destroy();
  }
}

/** Bytes of the file that an answer has: from `start` to the end. */
interface Part {
  start: number;
  /** Bytes of the whole file. */
  total: number | undefined;
}

/**
 * Decides where the answer's bytes go, and prepares the partial file for them.
 */
async function begin(
  task: DownloadRequest,
  partial: PartialFile,
  { status, header, linked }: Answer,
  offset: number,
): Promise<Part> {
  if (status === 416) {
    await partial.discard();
    throw new Retryable(`${task.url.host} has no bytes after ${String(offset)}`);
  }
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(header('content-range') ?? '') ?? [];
    if (Number(start) !== offset || offset === 0) {
      await partial.discard();
      throw new Retryable(`${task.url.host} sent another part than was asked for`);
    }
    checkTotal(task, Number(total));
    return { start: offset, total: Number(total) };
  }
  if (offset > 0) task.onNotice(`${task.url.host} does not resume this file: starting again`);
  const length = header('content-length');
  const total = length === undefined ? undefined : Number(length);
  if (total !== undefined) checkTotal(task, linked.size ?? total);
  const validator = strongValidator(header);
  await partial.restart({
    url: displayUrl(task.url),
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
  task: DownloadRequest,
  partial: PartialFile,
  chunks: AsyncIterable<Buffer>,
  { start, total }: Part,
): Promise<void> {
  if (total !== undefined) await requireFreeSpace(partial.folder, total - start, task.place);
  const limit = task.size ?? total ?? Infinity;
  let received = start;
  const writer = await partial.append();
  try {
    for await (const chunk of chunks) {
      received += chunk.length;
      if (received > limit) throw corrupt(task.url, `it has more than ${String(limit)} bytes`);
      await writer.write(chunk);
      task.onProgress(received, task.size ?? total);
    }
  } catch (error) {
    task.signal.throwIfAborted();
    throw error instanceof Broken ? connectionError(error.cause, task.url) : error;
  } finally {
    await writer.close();
  }
  if (total !== undefined && received < total) {
    throw new Retryable(`${task.url.host} ended the file ${String(total - received)} bytes early`);
  }
}

/** The connection ended before its answer did. */
class Broken extends Error {}

/** Bytes that may wait to be written: more than any published file has. */
const BUFFERED = 2 ** 28;

/**
 * Takes in the body as it arrives. When the connection breaks, all that came before is handed over
 * first, where a stream's own iterator would drop what it has not handed over yet.
 *
 * To be called at once: a stream that ends unheard ends for ever. The stream is never paused, as
 * undici 7 crashes the process when a server closes a connection that is held up (nodejs/undici#5360).
 *
 * @returns an iterable that throws Broken.
 */
function takeIn(body: Readable): AsyncIterable<Buffer> {
  const chunks: Buffer[] = [];
  let waiting = 0;
  let ended = false;
  let failure: unknown;
  let wake: () => void = () => undefined;
  body.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    waiting += chunk.length;
    if (waiting > BUFFERED) body.destroy(new Error('the disk does not keep up with it'));
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
          waiting -= chunk.length;
          yield chunk;
        } else if (ended) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      if (failure !== undefined) throw new Broken('broken', { cause: failure });
    },
  };
}

const expectedSha256 = ({ sha256 }: DownloadRequest, version?: Version): string | undefined =>
  sha256 ?? version?.announced;

async function finish(task: DownloadRequest, partial: PartialFile): Promise<Downloaded> {
  const size = await partial.size();
  const version = await partial.version();
  const expected = expectedSha256(task, version);
  const actual = await sha256OfFile(partial.path, task);
  const problem =
    task.size !== undefined && size !== task.size
      ? `it has ${String(size)} bytes instead of ${String(task.size)}`
      : expected !== undefined && actual !== expected
        ? `its SHA-256 begins with ${actual.slice(0, 8)} instead of ${expected.slice(0, 8)}`
        : undefined;
  if (problem !== undefined) {
    await partial.discard();
    throw new Mixed(problem);
  }
  const result = { size, sha256: actual, announced: version?.announced !== undefined };
  await partial.complete(result);
  return result;
}

const downloadedSchema = z.object({ size: z.int(), sha256: z.string(), announced: z.boolean() });

/** The file of an earlier download that was completed, if it is what is asked for, and intact. */
async function downloadedEarlier({
  file,
  sha256,
  signal,
  onProgress,
}: DownloadRequest): Promise<Downloaded | undefined> {
  try {
    const note = downloadedSchema.parse(JSON.parse(await readFile(`${file}.json`, 'utf8')));
    const actual = await sha256OfFile(file, { signal });
    if (actual !== note.sha256 || (sha256 !== undefined && actual !== sha256)) return undefined;
    onProgress(note.size, note.size);
    return note;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** The bytes that have arrived, and the note beside them. */
class PartialFile {
  readonly path: string;
  readonly #note: string;

  constructor(
    readonly file: string,
    readonly url: string,
    readonly place: DiskPlace,
  ) {
    this.path = `${file}.partial`;
    this.#note = `${this.path}.json`;
  }

  get folder(): string {
    return dirname(this.file);
  }

  async size(): Promise<number> {
    return (await stat(this.path).catch(() => undefined))?.size ?? 0;
  }

  /** Undefined when it is of another address, or the note is damaged. */
  async version(): Promise<Version | undefined> {
    try {
      const version = versionSchema.parse(JSON.parse(await readFile(this.#note, 'utf8')));
      return version.url === this.url ? version : undefined;
    } catch {
      return undefined;
    }
  }

  async restart(version: Version): Promise<void> {
    await this.#write(async () => {
      await rm(this.path, { force: true });
      await writeFile(this.#note, JSON.stringify(version));
      await writeFile(this.path, '');
    });
  }

  async append(): Promise<{ write: (bytes: Buffer) => Promise<void>; close: () => Promise<void> }> {
    const handle = await this.#write(() => open(this.path, 'a'));
    return {
      write: (bytes) => this.#write(() => handle.appendFile(bytes)),
      close: () => handle.close(),
    };
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.#note, { force: true });
  }

  async complete(result: Downloaded): Promise<void> {
    await this.#write(async () => {
      await writeFile(`${this.file}.json`, JSON.stringify(result));
      await rename(this.path, this.file);
    });
    await rm(this.#note, { force: true });
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw diskError(error, this.place);
    }
  }
}
