/**
 * HTTP for downloads: proxies of the environment, redirects, tokens, time limits, and which failures
 * are worth another try.
 */
import type { Dispatcher } from 'undici';
import { OxboardError } from '../errors.js';
import { packageVersion } from '../lib/package-version.js';

const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];
const RETRYABLE = [408, 425, 429, 500, 502, 503, 504];

/** Time limits in milliseconds. */
export interface Timeouts {
  connect: number;
  /** Without a byte, before or within an answer. */
  stall: number;
}

export const TIMEOUTS: Timeouts = { connect: 15_000, stall: 30_000 };

/** A failure that another try may mend. */
export class Retryable extends Error {
  /** Milliseconds that the server asks to wait. */
  readonly waitFor: number | undefined;

  constructor(message: string, options: ErrorOptions & { waitFor?: number | undefined } = {}) {
    super(message, options);
    this.waitFor = options.waitFor;
  }
}

export interface Answer {
  status: number;
  header: (name: string) => string | undefined;
  body: Dispatcher.ResponseData['body'];
  /** What the host said of the file where it redirected to its storage. */
  linked: { sha256?: string; size?: number };
}

export interface Http {
  /**
   * Asks for `url` and follows redirects. The answer has status 200, 206 or 416.
   *
   * @param token sent to the host of `url`, and to no other.
   * @throws Retryable; OxboardError DOWNLOAD_UNAUTHORISED, DOWNLOAD_NOT_FOUND, DOWNLOAD_FAILED.
   */
  get(
    url: URL,
    options: {
      headers: Record<string, string>;
      token?: string | undefined;
      /** What to do where a token is wanted: a sentence without its end. */
      tokenAdvice: string;
      signal: AbortSignal;
    },
  ): Promise<Answer>;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

/** Host and path: the rest of an address may hold secrets. */
export const displayUrl = ({ protocol, host, pathname }: URL): string =>
  `${protocol}//${host}${pathname}`;

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured, in either case. */
export async function openHttp({ connect, stall }: Timeouts = TIMEOUTS): Promise<Http> {
  // It takes gigabytes of address space, which commands that download nothing may not have.
  const { EnvHttpProxyAgent } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({
    connect: { timeout: connect },
    headersTimeout: stall,
    bodyTimeout: stall,
  });
  return {
    get: (url, options) => get(dispatcher, url, options),
    close: () => dispatcher.destroy(),
  };
}

async function get(
  dispatcher: Dispatcher,
  start: URL,
  { headers, token, tokenAdvice, signal }: Parameters<Http['get']>[1],
): Promise<Answer> {
  const linked: Answer['linked'] = {};
  const authorization = credentials(start, token);
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const atHome = url.origin === start.origin;
    const response = await send(dispatcher, url, {
      headers: {
        'user-agent': `oxboard-demucs/${packageVersion}`,
        // Sizes and ranges are those of the file only when nothing compresses it on the way.
        'accept-encoding': 'identity',
        ...headers,
        ...(atHome && authorization !== undefined && { authorization }),
      },
      signal,
    });
    const header = (name: string): string | undefined => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const { statusCode: status, body } = response;
    if (atHome) Object.assign(linked, linkedFile(header));
    if ([200, 206, 416].includes(status)) return { status, header, body, linked };
    await body.dump().catch(() => undefined);
    const location = header('location');
    if (!REDIRECTS.includes(status) || location === undefined) {
      const authorised = authorization !== undefined;
      throw refusal({ status, header, url: start, atHome, authorised, tokenAdvice });
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
  options: { headers: Record<string, string>; signal: AbortSignal },
): Promise<Dispatcher.ResponseData> {
  try {
    const { origin, pathname, search } = url;
    return await dispatcher.request({
      origin,
      path: `${pathname}${search}`,
      method: 'GET',
      ...options,
    });
  } catch (error) {
    options.signal.throwIfAborted();
    throw connectionError(error, url);
  }
}

/** Hugging Face names the checksum of a large file where it redirects to it. */
function linkedFile(header: (name: string) => string | undefined): Answer['linked'] {
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

interface Refusal {
  status: number;
  header: Answer['header'];
  /** What was asked for. */
  url: URL;
  /** Whether its own host answered, not one that it redirected to. */
  atHome: boolean;
  authorised: boolean;
  tokenAdvice: string;
}

function refusal({ status, header, url, atHome, authorised, tokenAdvice }: Refusal): Error {
  const place = displayUrl(url);
  // A storage host that refuses has been given an address that expired: the next try gets another.
  if (RETRYABLE.includes(status) || (!atHome && [401, 403].includes(status))) {
    const waitFor = retryAfter(header('retry-after'));
    return new Retryable(`${url.host} answered ${String(status)}`, { waitFor });
  }
  if ([401, 403].includes(status)) {
    const problem = authorised ? 'refuses the token' : 'wants a token';
    return new OxboardError(
      'DOWNLOAD_UNAUTHORISED',
      `${place} ${problem} (${String(status)}). ${tokenAdvice}`,
    );
  }
  if ([404, 410].includes(status)) {
    return new OxboardError('DOWNLOAD_NOT_FOUND', `${place} does not exist`);
  }
  return new OxboardError('DOWNLOAD_FAILED', `${place} answered ${String(status)}`);
}

/** Milliseconds, from seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

const WORDS: Record<string, string> = {
  ENOTFOUND: 'its name is not known here',
  EAI_AGAIN: 'its name cannot be looked up',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection broke',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'no way to it',
  ENETUNREACH: 'no network',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the connection stalled',
};

/** Certificates that do not fit will not fit the next time either. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/;

/** What a failed connection, or one that broke within an answer, means. */
export function connectionError(error: unknown, url: URL): Error {
  const code = codeOf(error);
  const tunnel = /^Proxy response \((\d+)\)/.exec(error instanceof Error ? error.message : '')?.[1];
  if (tunnel !== undefined && !RETRYABLE.includes(Number(tunnel))) {
    return new OxboardError(
      'DOWNLOAD_FAILED',
      `The proxy does not let connections to ${url.host} through (${tunnel}). See HTTPS_PROXY, ` +
        'HTTP_PROXY and NO_PROXY',
      { cause: error },
    );
  }
  if (CERTIFICATE.test(code)) {
    return new OxboardError(
      'DOWNLOAD_FAILED',
      `The certificate of ${url.host} is not trusted (${code}). Behind a proxy that inspects ` +
        'traffic, set NODE_EXTRA_CA_CERTS to the file of its certificate',
      { cause: error },
    );
  }
  const words = WORDS[code] ?? (error instanceof Error ? error.message : String(error));
  return new Retryable(`${url.host}: ${words}`, { cause: error });
}

/** The code of an error or of what caused it. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code } = error as NodeJS.ErrnoException;
  // undici hides the system's own code behind one of its own.
  const cause = codeOf(error.cause);
  return cause || (code ?? '');
}
