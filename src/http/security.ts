/**
 * Headers that tell browsers what they may do with our answers.
 */
import cors from 'cors';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

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
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'If-None-Match',
      'If-Range',
      'Last-Event-ID',
      'Range',
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

/** Whether a page of `origin` may use the service at `host`. */
export function isAllowedOrigin(
  origin: string,
  host: string | undefined,
  origins: readonly string[],
): boolean {
  if (origins.includes('*') || origins.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
