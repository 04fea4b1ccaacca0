/**
 * Headers that tell browsers what they may do with our answers.
 */
import cors from 'cors';
import { isIP } from 'node:net';
import type { Request, RequestHandler } from 'express';
import helmet from 'helmet';
import { OxboardError } from '../errors.js';

const CONTENT_SECURITY = {
  // Not the defaults: they send browsers to https, which a service on a LAN does not have.
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
};

export function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: CONTENT_SECURITY,
    strictTransportSecurity: false,
    // Browsers ignore these two on plain HTTP, and complain.
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
  });
}

/** For the page of the documentation: scripts and styles of our own files, nothing from elsewhere. */
export function docsHeaders(): RequestHandler {
  return helmet.contentSecurityPolicy({
    ...CONTENT_SECURITY,
    directives: {
      ...CONTENT_SECURITY.directives,
      scriptSrc: ["'self'"],
      // Swagger UI sets style attributes.
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
    },
  });
}

/** For the page: our own files alone. Its audio worklet is a WebAssembly module. */
export function pageHeaders(): RequestHandler {
  return helmet.contentSecurityPolicy({
    ...CONTENT_SECURITY,
    directives: {
      ...CONTENT_SECURITY.directives,
      scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
    },
  });
}

/** Lets `<audio>` of other sites play stems. */
export function sharedResource(): RequestHandler {
  return helmet.crossOriginResourcePolicy({ policy: 'cross-origin' });
}

export function allowOrigins(origins: readonly string[]): RequestHandler {
  const handle = cors({
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'If-None-Match',
      'If-Range',
      'Last-Event-ID',
      'Range',
      'Tus-Resumable',
      'Upload-Length',
      'Upload-Metadata',
      'Upload-Offset',
      'X-Request-Id',
    ],
    exposedHeaders: [
      'Accept-Ranges',
      'Content-Disposition',
      'Content-Length',
      'Content-Range',
      'ETag',
      'Location',
      'RateLimit-Limit',
      'RateLimit-Policy',
      'RateLimit-Remaining',
      'RateLimit-Reset',
      'Retry-After',
      'Tus-Extension',
      'Tus-Max-Size',
      'Tus-Resumable',
      'Tus-Version',
      'Upload-Expires',
      'Upload-Length',
      'Upload-Metadata',
      'Upload-Offset',
      'X-Request-Id',
    ],
    maxAge: 600,
  });
  return (request, response, next) => {
    // A question for the methods of a path, not a browser's for permission, is the path's to answer.
    const preflight = request.headers['access-control-request-method'] !== undefined;
    if (origins.length === 0 || (request.method === 'OPTIONS' && !preflight)) next();
    else handle(request, response, next);
  };
}

/**
 * Refuses requests to a name that is not the service's. A web page can have a name of its own lead to
 * this machine (DNS rebinding), and browsers take the service for a part of that page then.
 */
export function checkHost({
  host: own,
  allowedHosts = [],
}: {
  /** Address or name that the service listens on. */
  host: string;
  /** With `*` any name will do. */
  allowedHosts: readonly string[] | undefined;
}): RequestHandler {
  const allowed = new Set(['localhost', own.toLowerCase(), ...allowedHosts]);
  return ({ headers }, _response, next) => {
    const given = headers.host?.toLowerCase() ?? '';
    const name = given.replace(/:\d*$/, '');
    const address = isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
    if (given !== '' && !address && ![name, given, '*'].some((one) => allowed.has(one))) {
      throw new OxboardError(
        'HOST_NOT_ALLOWED',
        `The service is not known as ${JSON.stringify(name.slice(0, 100))}. To use it by this name, ` +
          'add the name to ALLOWED_HOSTS',
      );
    }
    next();
  };
}

/**
 * Refuses what web pages of other sites ask for: WebSockets, for which browsers do not ask first, and,
 * where no API key is needed, requests that change something, which a form can send.
 */
export function refuseForeignPages({
  origins,
  keyed,
}: {
  origins: readonly string[];
  keyed: boolean;
}): RequestHandler {
  return (request, _response, next) => {
    const { upgrade, origin, 'sec-fetch-site': site } = request.headers;
    const isSocket = upgrade?.toLowerCase() === 'websocket';
    const changes = !keyed && !['GET', 'HEAD', 'OPTIONS'].includes(request.method);
    const allowed = origins.includes('*') || (origin !== undefined && origins.includes(origin));
    const foreign = site === 'cross-site' || (origin !== undefined && !isOwn(origin, request));
    if ((isSocket || changes) && foreign && !allowed) {
      const page = origin === undefined ? 'The page' : JSON.stringify(origin.slice(0, 200));
      throw new OxboardError(
        'ORIGIN_NOT_ALLOWED',
        `${page} is of another site than the service and not one of API_CORS_ORIGINS`,
      );
    }
    next();
  };
}

/** A proxy may have changed the Host header; the name that it passes on counts under TRUST_PROXY. */
const isOwn = (origin: string, request: Request): boolean =>
  URL.canParse(origin) && [request.headers.host, request.host].includes(new URL(origin).host);
