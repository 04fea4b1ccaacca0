/**
 * What failed requests mean: which of them are worth another try, and what to do about the others.
 */
import { OxboardError } from '../errors.js';

const TRANSIENT_STATUSES = [408, 425, 429, 500, 502, 503, 504];

/** A failure that another try may avoid. */
export class TransientError extends Error {
  /** Milliseconds that the server asks to wait. */
  readonly retryAfterMs: number | undefined;
  /** Whether a name could not be resolved, which rarely changes within seconds. */
  readonly unknownHost: boolean;

  constructor(
    message: string,
    {
      retryAfterMs,
      unknownHost = false,
      ...options
    }: ErrorOptions & { retryAfterMs?: number | undefined; unknownHost?: boolean } = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.unknownHost = unknownHost;
  }
}

/** Host and path: the rest of a URL may hold secrets. */
export const displayUrl = ({ protocol, host, pathname }: URL): string =>
  `${protocol}//${host}${pathname}`;

export interface Refusal {
  status: number;
  /** As the Retry-After header has it. */
  retryAfter: string | undefined;
  /** The URL that was asked for first. */
  url: URL;
  /** Whether its own host answered, not one that it redirected to. */
  fromOrigin: boolean;
  /** Whether credentials were sent. */
  authorized: boolean;
  /** What to do where a token is needed: a sentence without its end. */
  tokenAdvice: string;
}

/** The error for an answer that is not the file. */
export function refusalError(refusal: Refusal): Error {
  const { status, retryAfter, url, fromOrigin, authorized, tokenAdvice } = refusal;
  const place = displayUrl(url);
  const denied = [401, 403].includes(status);
  // A storage host refuses an address that has expired: the next try gets another one.
  if (TRANSIENT_STATUSES.includes(status) || (denied && !fromOrigin)) {
    return new TransientError(`${url.host} answered ${String(status)}`, {
      retryAfterMs: millisecondsUntil(retryAfter),
    });
  }
  if (denied) {
    const problem = authorized ? 'refuses the token' : 'wants a token';
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
function millisecondsUntil(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

const UNKNOWN_HOST = ['ENOTFOUND', 'EAI_AGAIN'];

const DESCRIPTIONS: Record<string, string> = {
  ENOTFOUND: 'the host is not known here',
  EAI_AGAIN: 'the host cannot be looked up',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection broke',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the connection stalled',
};

const CERTIFICATE = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/;

/** The error for a connection that failed, or that broke within an answer. */
export function connectionError(error: unknown, url: URL): Error {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const proxyStatus = /^Proxy response \((\d+)\)/.exec(message)?.[1];
  if (proxyStatus !== undefined && !TRANSIENT_STATUSES.includes(Number(proxyStatus))) {
    return new OxboardError(
      'DOWNLOAD_FAILED',
      `The proxy does not let connections to ${url.host} through (${proxyStatus}). See HTTPS_PROXY, ` +
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
  return new TransientError(`${url.host}: ${DESCRIPTIONS[code] ?? message}`, {
    cause: error,
    unknownHost: UNKNOWN_HOST.includes(code),
  });
}

/** The code of an error's innermost cause: undici wraps the system's errors in its own. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  return codeOf(error.cause) || ((error as NodeJS.ErrnoException).code ?? '');
}
