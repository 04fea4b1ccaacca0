/**
 * Downloads the file behind a link. Only public addresses are connected to, redirects included.
 */
import { createWriteStream } from 'node:fs';
import type { LookupFunction } from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parse as parseDisposition } from 'content-disposition';
import type { Dispatcher } from 'undici';
import { OxboardError } from '../../errors.js';
import { packageVersion } from '../../lib/package-version.js';
import { publicLookup } from '../../network/name-servers.js';
import { FILE_NAME, tooLarge, type FetchedSong, type FetchOptions } from '../fetched-song.js';
import { nameOfFile, parseSourceUrl } from './url.js';

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Statuses that may be different a moment later. */
const PASSING = [408, 425, 429];

export interface Timeouts {
  connectMs: number;
  /** Without a byte, before or within an answer. */
  stallMs: number;
  totalMs: number;
}

const TIMEOUTS: Timeouts = { connectMs: 15_000, stallMs: 30_000, totalMs: 1_200_000 };

export interface SourceUrlSettings {
  /** See parseSourceUrl. */
  allowedHosts: readonly string[] | undefined;
  /** Bytes. */
  maxFileSize: number;
  /** Resolves names to public addresses. */
  lookup?: LookupFunction;
  timeouts?: Timeouts;
}

/**
 * @throws OxboardError SOURCE_URL_NETWORK, which may pass; SOURCE_URL_REFUSED, FILE_TOO_LARGE and what
 * parseSourceUrl throws; errors of the file system; `signal.reason`
 */
export async function fetchFile(
  link: string,
  { allowedHosts, maxFileSize, lookup = publicLookup, timeouts = TIMEOUTS }: SourceUrlSettings,
  { directory, signal, onProgress }: FetchOptions,
): Promise<FetchedSong> {
  // Loaded late: it reserves gigabytes of address space.
  const { Agent, request } = await import('undici');
  const late = AbortSignal.timeout(timeouts.totalMs);
  const stop = AbortSignal.any([signal, late]);
  const explain = (error: unknown): never => {
    signal.throwIfAborted();
    if (error instanceof OxboardError) throw error;
    throw new OxboardError(
      'SOURCE_URL_NETWORK',
      late.aborted
        ? 'The host of the link is too slow. Try again later'
        : 'The host of the link could not be reached, or the download broke off. Try again later',
      { cause: error },
    );
  };
  /** What comes, as long as it is not too much; only errors of the network are explained. */
  async function* bytesOf({ headers, body }: Dispatcher.ResponseData) {
    const total = Number(headers['content-length']) || maxFileSize;
    if (total > maxFileSize) throw tooLarge(maxFileSize);
    let done = 0;
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        done += chunk.length;
        if (done > maxFileSize) throw tooLarge(maxFileSize);
        onProgress(Math.min(1, done / total));
        yield chunk;
      }
    } catch (error) {
      explain(error);
    }
  }

  let next = link;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const { url, anyAddress } = parseSourceUrl(next, allowedHosts);
    const agent = new Agent({
      connect: { timeout: timeouts.connectMs, ...(!anyAddress && { lookup }) },
      headersTimeout: timeouts.stallMs,
      bodyTimeout: timeouts.stallMs,
    });
    try {
      const answer = await request(url, {
        dispatcher: agent,
        signal: stop,
        headers: {
          'user-agent': `oxboard-demucs/${packageVersion}`,
          // A compressed file could be far larger than what comes.
          'accept-encoding': 'identity',
        },
      }).catch(explain);
      const { location } = answer.headers;
      if (REDIRECTS.includes(answer.statusCode) && typeof location === 'string') {
        if (!URL.canParse(location, url.href)) throw refused('redirects to what is no URL');
        next = new URL(location, url.href).href;
        continue;
      }
      checkAnswer(answer);
      const file = path.join(directory, FILE_NAME);
      await pipeline(bytesOf(answer), createWriteStream(file));
      const paths = [url.pathname, new URL(link).pathname];
      return { path: file, name: nameOfFile(...attachedName(answer), ...paths) };
    } finally {
      await agent.destroy();
    }
  }
  throw refused('redirects without end');
}

function checkAnswer({ statusCode: status, headers }: Dispatcher.ResponseData): void {
  if (status >= 500 || PASSING.includes(status)) {
    throw new OxboardError(
      'SOURCE_URL_NETWORK',
      `The host of the link answered with status ${String(status)}. Try again later`,
    );
  }
  if (status !== 200) throw refused(`answered with status ${String(status)}. Check the link`);
  const { 'content-encoding': encoding = 'identity' } = headers;
  if (encoding !== 'identity') throw refused('sends the file compressed, though not asked to');
}

/** The name that an answer gives the file. */
function attachedName({ headers }: Dispatcher.ResponseData): string[] {
  try {
    const { filename } = parseDisposition(String(headers['content-disposition'])).parameters;
    return filename === undefined ? [] : [filename];
  } catch {
    return [];
  }
}

const refused = (what: string): OxboardError =>
  new OxboardError('SOURCE_URL_REFUSED', `The host of the link ${what}`);
