/**
 * The HTTP API. It admits jobs and tells of them; it never separates anything itself.
 */
import type { Server } from 'node:http';
import express, { type Express } from 'express';
import { OxboardError } from '../errors.js';
import { NO_TRACER } from '../observability/tracing.js';
import { answerMalformed } from './client-errors.js';
import { requestContext } from './context.js';
import type { ApiDependencies } from './dependencies.js';
import { IncomingFolder } from './incoming.js';
import { apiDocument } from './openapi.js';
import { uploadPace } from './pace.js';
import { problemHandler, unknownPath } from './problem.js';
import { postLimit } from './rate-limit.js';
import { docsRoutes } from './routes/docs.js';
import { jobRoutes } from './routes/jobs.js';
import { serviceRoutes } from './routes/service.js';
import { stemifyRoute } from './routes/stemify.js';
import { stemRoutes } from './routes/stems.js';
import { API_BASE, serve } from './routing.js';
import { allowOrigins, securityHeaders } from './security.js';
import { sendEvents } from './sse.js';
import { OpenStreams } from './streams.js';
import { acceptSockets, routeUpgrades } from './websocket.js';

/** Below the 60 s after which proxies give up on a connection without a byte. */
const HEARTBEAT_MS = 15_000;
const HEADERS_MS = 20_000;

export interface Api {
  app: Express;
  /** Prepares a server that was made of `app`: time limits, upgrades, malformed requests. */
  attach: (server: Server) => void;
  /**
   * Begins to stop: new requests are refused with SHUTTING_DOWN, streams of events end.
   *
   * @returns when the requests that were under way are answered.
   */
  drain: () => Promise<void>;
}

export function createApi(dependencies: ApiDependencies): Api {
  const { config, jobs, workers, storage, tenants } = dependencies;
  const { redisCommand, logger, metrics, tracer = NO_TRACER, version } = dependencies;
  const { pace = uploadPace(config.maxFileSize), heartbeatMs = HEARTBEAT_MS } = dependencies;
  const streams = new OpenStreams();
  const incoming = new IncomingFolder(config.dataDir);
  let stopping = false;
  let underWay = 0;
  let idle = (): void => undefined;

  const router = express.Router({ strict: false });
  stemifyRoute(router, {
    jobs,
    workers,
    storage,
    maxDuration: config.maxDuration,
    youtubeMaxDuration: Math.min(config.maxDuration, config.youtubeMaxDuration),
    form: {
      youtubeHosts: config.youtubeHosts,
      callbacks:
        config.webhookSecret === undefined
          ? undefined
          : { allowPrivate: config.webhookAllowPrivate },
    },
    upload: { folder: incoming, maxFileSize: config.maxFileSize, pace },
    limit: postLimit({
      limit: config.rateLimit,
      periodSeconds: config.rateLimitPeriod,
      byKey: tenants.keyed,
      redisCommand,
    }),
    metrics,
    tracer,
    logger,
  });
  jobRoutes(router, { jobs, tokens: tenants, metrics });
  stemRoutes(router, { jobs, storage, redirects: config.storageDownloads === 'redirect' });
  const events = sendEvents({ jobs, streams, metrics, heartbeatMs });
  serve(router, '/jobs/:id/events', 'token', { get: events });
  const { corsOrigins } = config;
  const sockets = acceptSockets({ jobs, streams, metrics, logger, corsOrigins, heartbeatMs });
  serve(router, '/jobs/:id/ws', 'token', { get: sockets });
  serviceRoutes(router, { jobs, workers, storage, version, isStopping: () => stopping });
  docsRoutes(router, { document: apiDocument(version, { keyed: tenants.keyed }) });

  const app = express();
  app.disable('x-powered-by');
  // ETags are for stems; hashing every status answer serves nobody.
  app.disable('etag');
  app.set('trust proxy', config.trustProxy);
  app.use(requestContext({ logger, metrics, tracer, tenants }));
  app.use((request, response, next) => {
    underWay++;
    response.once('close', () => {
      if (--underWay === 0) idle();
    });
    if (!stopping) {
      next();
      return;
    }
    response.setHeader('Connection', 'close');
    if (request.path.startsWith(`${API_BASE}/health/`)) next();
    else throw new OxboardError('SHUTTING_DOWN', 'The service is being stopped');
  });
  app.use(securityHeaders());
  app.use(allowOrigins(corsOrigins));
  app.use(API_BASE, router);
  app.use(unknownPath);
  app.use(problemHandler({ logger, metrics }));

  return {
    app,
    attach(server) {
      server.headersTimeout = HEADERS_MS;
      // The upload's own watch ends slow bodies with an answer; this is for the rest.
      server.requestTimeout = pace.totalMs + HEADERS_MS;
      server.on('checkContinue', app);
      server.on('clientError', answerMalformed);
      routeUpgrades(server, app);
    },
    async drain() {
      stopping = true;
      streams.endAll();
      if (underWay > 0) await new Promise<void>((resolve) => (idle = resolve));
      await incoming.remove();
    },
  };
}
