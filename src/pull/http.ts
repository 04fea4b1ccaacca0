/**
 * HTTP requests for downloads: proxies of the environment, redirects, tokens and timeouts.
 *
 * undici's redirect interceptor does not serve here. Hugging Face names the checksum of a file only in
 * the headers of its redirect, which that interceptor drops; and it follows a redirect from https to
 * http.
 */
import type { Dispatcher } from 'undici';
import { OxboardError } from '../errors.js';
import { packageVersion } from '../lib/package-version.js';
import { connectionError, displayUrl, refusalError } from './http-errors.js';

const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

export interface Timeouts {
  connectMs: number;
  /** Without a byte, before or within an answer. */
  stallMs: number;
}

export const TIMEOUTS: Timeouts = { connectMs: 15_000, stallMs: 30_000 };

export interface Answer {
  /** Where the answer came from, after redirects. */
  url: URL;
  status: 200 | 206 | 416;
  header: (name: string) => string | undefined;
  body: Dispatcher.ResponseData['body'];
  /** What the host said of the file where it redirected to its storage. */
  linked: { sha256?: string; size?: number };
}

export interface Http {
  /**
   * Requests `url` and follows redirects.
   *
   * @param token sent to the host of `url`, and to no other.
   * @param tokenAdvice what to do where a token is needed: a sentence without its end.
   * @throws TransientError; OxboardError DOWNLOAD_UNAUTHORISED, DOWNLOAD_NOT_FOUND, DOWNLOAD_FAILED;
   * `signal.reason` when aborted.
   */
  get(url: URL, options: GetOptions): Promise<Answer>;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

interface GetOptions {
  headers: Record<string, string>;
  token?: string | undefined;
  tokenAdvice: string;
  signal: AbortSignal;
}

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured, in either case. */
export async function openHttp({ connectMs, stallMs }: Timeouts = TIMEOUTS): Promise<Http> {
  // Loaded late: it reserves gigabytes of address space, which other commands may not have.
  const { EnvHttpProxyAgent } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({
    connect: { timeout: connectMs },
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
  });
  return {
    get: (url, options) => get(dispatcher, url, options),
    close: () => dispatcher.destroy(),
  };
}

async function get(
  dispatcher: Dispatcher,
  start: URL,
  { headers, token, tokenAdvice, signal }: GetOptions,
): Promise<Answer> {
  const linked: Answer['linked'] = {};
  const authorization = credentials(start, token);
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const fromOrigin = url.origin === start.origin;
    const response = await send(dispatcher, url, signal, {
      'user-agent': `oxboard-demucs/${packageVersion}`,
      // Sizes and ranges are those of the file only when nothing compresses it on the way.
      'accept-encoding': 'identity',
      ...headers,
      ...(fromOrigin && authorization !== undefined && { authorization }),
    });
    const header = (name: string): string | undefined => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const { statusCode: status, body } = response;
    if (fromOrigin) Object.assign(linked, linkedFile(header));
    if (status === 200 || status === 206 || status === 416) {
      return { url, status, header, body, linked };
    }
    await body.dump().catch(() => undefined);
    const location = header('location');
    if (!REDIRECTS.includes(status) || location === undefined) {
      throw refusalError({
        status,
        retryAfter: header('retry-after'),
        url: start,
        fromOrigin,
        authorized: authorization !== undefined,
        tokenAdvice,
      });
    }
    url = redirect(url, location);
  }
  throw new OxboardError('DOWNLOAD_FAILED', `${displayUrl(start)} redirects without end`);
}

function credentials({ username, password }: URL, token: string | undefined): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (username === '') return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

async function send(
  dispatcher: Dispatcher,
  url: URL,
  signal: AbortSignal,
  headers: Record<string, string>,
): Promise<Dispatcher.ResponseData> {
  const { origin, pathname, search } = url;
  try {
    const path = `${pathname}${search}`;
    return await dispatcher.request({ origin, path, method: 'GET', headers, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw connectionError(error, url);
  }
}

/** Hugging Face names the checksum of a large file where it redirects to it. */
function linkedFile(header: Answer['header']): Answer['linked'] {
  const sha256 = /^"?([0-9a-f]{64})"?$/.exec(header('x-linked-etag') ?? '')?.[1];
  const size = Number(header('x-linked-size'));
  return {
    ...(sha256 !== undefined && { sha256 }),
    ...(Number.isSafeInteger(size) && size > 0 && { size }),
  };
}

function redirect(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const secure =
    to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:');
  if (to && secure) return to;
  throw new OxboardError(
    'DOWNLOAD_FAILED',
    `${displayUrl(from)} redirects to where no download may go: ${to ? displayUrl(to) : 'nowhere'}`,
  );
}
