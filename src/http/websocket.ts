/**
 * Events of a job by WebSocket. An upgrade goes through the same middleware as any request, up to the
 * route, which takes the connection over.
 */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Express, RequestHandler } from 'express';
import { WebSocketServer, type WebSocket } from 'ws';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { isFinished, type JobEvent } from '../jobs/job.js';
import type { Jobs } from '../jobs/ports.js';
import { contextOf } from './context.js';
import { findJob, jobNotFound } from './find-job.js';
import { lastEventId } from './last-event.js';
import { isAllowedOrigin } from './security.js';
import type { OpenStreams } from './streams.js';
import { jobMessage } from './views.js';

const GOODBYE_MS = 2_000;
const CLOSE = { normal: 1000, goingAway: 1001, tryAgain: 1013 };

interface Upgrade {
  socket: Socket;
  head: Buffer;
}
const upgrades = new WeakMap<IncomingMessage, Upgrade>();

/** Lets requests for an upgrade through to the app; those for another protocol are plain requests. */
export function routeUpgrades(server: Server, app: Express): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    upgrades.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.destroySoon());
    app(request, response);
  });
}

export function acceptSockets({
  jobs,
  streams,
  metrics,
  logger,
  corsOrigins,
  heartbeatMs,
}: {
  jobs: Jobs;
  streams: OpenStreams;
  metrics: Metrics;
  logger: Logger;
  corsOrigins: readonly string[];
  heartbeatMs: number;
}): RequestHandler {
  const sockets = new WebSocketServer({
    noServer: true,
    // Nothing is expected from clients.
    maxPayload: 1024,
    perMessageDeflate: false,
  });

  return async (request, response) => {
    const job = await findJob(request, jobs);
    const { origin, host } = request.headers;
    // Browsers let any page open a WebSocket anywhere, and send its origin along.
    if (origin !== undefined && !isAllowedOrigin(origin, host, corsOrigins)) {
      throw new OxboardError('ORIGIN_NOT_ALLOWED', `${origin} is not one of API_CORS_ORIGINS`);
    }
    const upgrade = upgrades.get(request);
    if (!upgrade || request.get('upgrade')?.toLowerCase() !== 'websocket') {
      response.setHeader('Upgrade', 'websocket');
      throw new OxboardError('UPGRADE_REQUIRED', 'This path speaks WebSocket only');
    }
    const { tenant, id: requestId } = contextOf(request);
    contextOf(request).streaming = true;
    const { signal, done } = streams.add();
    const closed = new AbortController();
    try {
      const events = await jobs.events(job.id, tenant, {
        after: lastEventId(request),
        signal: AbortSignal.any([signal, closed.signal]),
      });
      if (!events) throw jobNotFound();
      response.detachSocket(upgrade.socket);
      // It has no socket any more that could tell it.
      upgrade.socket.once('close', () => response.emit('close'));
      const socket = await handshake(sockets, request, upgrade);
      if (!socket) {
        done();
        return;
      }
      response.statusCode = 101;
      logger.info('websocket_opened', { request_id: requestId, job_id: job.id });
      metrics.listeners.inc({ transport: 'ws' });
      socket.once('close', () => {
        metrics.listeners.dec({ transport: 'ws' });
        closed.abort();
        done();
      });
      socket.on('error', () => socket.terminate());
      keepAlive(socket, heartbeatMs);
      void sendAll(socket, job.id, events, signal, logger);
    } catch (error) {
      done();
      throw error;
    }
  };
}

/** @returns undefined when ws refuses the handshake, which it answers itself, or the client is gone. */
async function handshake(
  sockets: WebSocketServer,
  request: IncomingMessage,
  { socket, head }: Upgrade,
): Promise<WebSocket | undefined> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve(undefined));
    sockets.handleUpgrade(request, socket, head, resolve);
  });
}

async function sendAll(
  socket: WebSocket,
  jobId: string,
  events: AsyncIterable<JobEvent>,
  stopping: AbortSignal,
  logger: Logger,
): Promise<void> {
  try {
    for await (const event of events) {
      await send(socket, JSON.stringify(jobMessage(jobId, event)));
      if (isFinished(event)) break;
    }
    socket.close(stopping.aborted ? CLOSE.goingAway : CLOSE.normal);
  } catch (error) {
    if (socket.readyState === socket.OPEN && !stopping.aborted) {
      logger.error('websocket_failed', { job_id: jobId, error });
    }
    socket.close(stopping.aborted ? CLOSE.goingAway : CLOSE.tryAgain);
  } finally {
    // Clients that do not answer the goodbye are not waited for.
    const cut = setTimeout(() => socket.terminate(), GOODBYE_MS);
    socket.once('close', () => clearTimeout(cut));
  }
}

/** Waits until the message is on its way: one who does not read keeps nothing in memory but this one. */
async function send(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(text, (error) => (error ? reject(error) : resolve()));
  });
}

function keepAlive(socket: WebSocket, heartbeatMs: number): void {
  let alive = true;
  const timer = setInterval(() => {
    if (!alive) {
      socket.terminate();
      return;
    }
    alive = false;
    socket.ping();
  }, heartbeatMs);
  socket.on('pong', () => (alive = true));
  socket.once('close', () => clearInterval(timer));
}
