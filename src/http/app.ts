/**
 * The HTTP API. It admits jobs and reports on them; it never separates anything itself.
 */
import { createServer, type Server } from 'node:http';
import express, { type Express } from 'express';
import { NO_TRACER } from '../observability/tracing.js';
import { createAdminCheck } from './admin-key.js';
import type { ApiDependencies, RouteDependencies } from './dependencies.js';
import { IncomingFolder } from './incoming-folder.js';
import { OpenStreams } from './job-listeners.js';
import { apiDocument } from './openapi.js';
import { answerConnect, answerUnreadable, checkHeaders, problemHandler } from './problem.js';
import { servePage } from './page.js';
import { createPostLimit } from './rate-limit.js';
import { requestContext } from './request-context.js';
import { API_BASE, mountRoutes, pathNotFound } from './route.js';
import { routesOf } from './routes/index.js';
import { allowOrigins, checkHost, refuseForeignPages, securityHeaders } from './browser-headers.js';
import { uploadPace } from './upload-pace.js';
import { routeUpgrades } from './websocket.js';

/** Below the 60 s after which proxies close a connection without a byte. */
const HEARTBEAT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 20_000;

export interface Api {
  /** Not listening yet. */
  server: Server;
  /**
   * Begins to stop: new requests are refused with SHUTTING_DOWN, streams of events end.
   *
   * @returns when the requests in progress are answered.
   */
  drain: () => Promise<void>;
}

export function createApi(dependencies: ApiDependencies): Api {
  const { config, tenants, logger, metrics, tracer = NO_TRACER } = dependencies;
  const { pace = uploadPace(config.maxFileSize), heartbeatMs = HEARTBEAT_MS } = dependencies;
  const streams = new OpenStreams();
  const incoming = new IncomingFolder(config.dataDir);
  let stopping = false;
  let inProgress = 0;
  let onIdle = (): void => undefined;

  const router = express.Router({ strict: false });
  mountRoutes(router, routesOf({ admin: config.adminKey !== undefined }), {
    ...dependencies,
    ...settingsOf(dependencies),
    upload: { folder: incoming, maxFileSize: config.maxFileSize, pace },
    resumable: {
      ...dependencies.resumable,
      limits: {
        mostOpen: config.resumableUploads,
        mostBytes: config.resumableUploadBytes,
        ttlMs: config.resumableUploadTtl * 1000,
      },
    },
    tracer,
    streams,
    heartbeatMs,
    isStopping: () => stopping,
  });

  const app = express();
  app.disable('x-powered-by');
  // ETags are for stems; a hash of every status answer is of no use.
  app.disable('etag');
  app.set('trust proxy', config.trustProxy);
  const { basePath, adminKey } = config;
  const { postCounts: counts } = dependencies;
  const checkAdmin =
    adminKey === undefined ? undefined : createAdminCheck({ adminKey, counts, logger });
  app.use(requestContext({ logger, metrics, tracer, tenants, checkAdmin, basePath }));
  app.use((_request, response, next) => {
    inProgress++;
    response.once('close', () => {
      if (--inProgress === 0) onIdle();
    });
    if (stopping) response.setHeader('Connection', 'close');
    next();
  });
  app.use(securityHeaders());
  app.use(allowOrigins(config.corsOrigins));
  app.use(checkHeaders);
  if (!tenants.keyed) app.use(checkHost(config));
  app.use(refuseForeignPages({ origins: config.corsOrigins, keyed: tenants.keyed }));
  app.use(`${basePath}${API_BASE}`, router);
  app.use(`${basePath}/`, servePage());
  app.use((request) => {
    throw pathNotFound(request);
  });
  app.use(problemHandler({ logger, metrics }));

  return {
    server: serverOf(app, pace.totalMs),
    async drain() {
      stopping = true;
      streams.endAll();
      if (inProgress > 0) await new Promise<void>((resolve) => (onIdle = resolve));
      await incoming.remove();
    },
  };
}

/** What routes need to know of the configuration. */
function settingsOf({
  config,
  tenants,
  postCounts,
  version,
}: ApiDependencies): Pick<
  RouteDependencies,
  | 'maxDuration'
  | 'queueWithoutWorkers'
  | 'linkMaxDurations'
  | 'form'
  | 'postLimit'
  | 'limits'
  | 'redirects'
  | 'document'
> {
  return {
    maxDuration: config.maxDuration,
    queueWithoutWorkers: config.queueWithoutWorkers,
    linkMaxDurations: {
      youtube: Math.min(config.maxDuration, config.youtubeMaxDuration),
      url: config.maxDuration,
    },
    form: {
      youtubeHosts: config.youtubeHosts,
      sourceUrlHosts: config.sourceUrlHosts,
      callbacks:
        config.webhookSecret === undefined
          ? undefined
          : { allowPrivate: config.webhookAllowPrivate },
    },
    postLimit: createPostLimit({
      counts: postCounts,
      rateLimit: config.rateLimit,
      refusalLimit: config.refusalLimit,
      periodSeconds: config.rateLimitPeriod,
      keyed: tenants.keyed,
    }),
    limits: {
      fileBytes: config.maxFileSize,
      durationSeconds: config.maxDuration,
      jobs: config.rateLimit,
      periodSeconds: config.rateLimitPeriod,
    },
    redirects: config.storageDownloads === 'redirect',
    document: apiDocument(version, {
      keyed: tenants.keyed,
      admin: config.adminKey !== undefined,
    }),
  };
}

/** Node.js answers some requests itself, without a body; all of them are passed to the app. */
function serverOf(app: Express, uploadTimeoutMs: number): Server {
  const server = createServer({ requireHostHeader: false }, app);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  // Slow uploads are ended by their own watch, with an answer; this is for other requests.
  server.requestTimeout = uploadTimeoutMs + HEADERS_TIMEOUT_MS;
  server.on('checkContinue', app);
  server.on('checkExpectation', app);
  server.on('clientError', answerUnreadable);
  server.on('connect', answerConnect);
  routeUpgrades(server, app);
  return server;
}
