/**
 * Events of a job by WebSocket. A request for an upgrade goes through the same middleware as any other
 * request, up to the route, which takes the connection over.
 */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Express, Request, Response } from 'express';
import { WebSocketServer, type WebSocket } from 'ws';
import type { z } from 'zod';
import { OxboardError } from '../errors.js';
import { isFinished, type JobEvent } from '../jobs/job.js';
import type { Logger } from '../observability/logger.js';
import type { RouteDependencies } from './dependencies.js';
import { findJob, type jobPath } from './find-job.js';
import { encodeMessage } from './job-document.js';
import {
  lastEventId,
  openEvents,
  type listenerHeaders,
  type listenerQuery,
} from './job-listeners.js';
import type { Call } from './route.js';

type SocketCall = Call<
  z.output<typeof jobPath>,
  z.output<typeof listenerQuery>,
  z.output<typeof listenerHeaders>
>;

/** Time that a client has to answer the closing of its socket. */
const CLOSE_TIMEOUT_MS = 2_000;
const CLOSE = { normal: 1000, goingAway: 1001, tryAgain: 1013 };

interface Upgrade {
  socket: Socket;
  head: Buffer;
}
const upgrades = new WeakMap<IncomingMessage, Upgrade>();

/** Passes requests for an upgrade to the app, where those for another protocol are plain requests. */
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

/**
 * Answers a request for a WebSocket with the events of the job.
 *
 * @throws OxboardError JOB_NOT_FOUND, UPGRADE_REQUIRED, REQUEST_INVALID for a malformed handshake.
 */
export function acceptSocket({
  jobs,
  streams,
  metrics,
  logger,
  heartbeatMs,
}: RouteDependencies): (call: SocketCall) => Promise<void> {
  const sockets = createSocketServer();

  return async ({ request, response, context, path, query, headers }) => {
    const job = await findJob(path.id, context, jobs);
    const upgrade = upgrades.get(request);
    if (!upgrade || request.get('upgrade')?.toLowerCase() !== 'websocket') {
      response.setHeader('Upgrade', 'websocket');
      throw new OxboardError('UPGRADE_REQUIRED', 'This path is for WebSockets only');
    }
    context.streaming = true;
    const { signal, done } = streams.add();
    const closed = new AbortController();
    try {
      const events = await openEvents(jobs, job.id, context, {
        after: lastEventId(headers, query),
        signal: AbortSignal.any([signal, closed.signal]),
      });
      const socket = await handshake(sockets, request, response, upgrade);
      if (!socket) {
        done();
        return;
      }
      logger.info('websocket_opened', { request_id: context.id, job_id: job.id });
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

const refusals = new WeakMap<IncomingMessage, (error: Error) => void>();

function createSocketServer(): WebSocketServer {
  const sockets = new WebSocketServer({
    noServer: true,
    // Nothing is expected from clients.
    maxPayload: 1024,
    perMessageDeflate: false,
  });
  // With a listener, ws leaves the answer to a malformed handshake to us.
  sockets.on('wsClientError', (error, _socket, request) => refusals.get(request)?.(error));
  return sockets;
}

/**
 * Takes the connection over from the response.
 *
 * @returns undefined when the client is gone.
 * @throws OxboardError REQUEST_INVALID when the handshake is malformed; the response can be sent.
 */
async function handshake(
  sockets: WebSocketServer,
  request: Request,
  response: Response,
  { socket, head }: Upgrade,
): Promise<WebSocket | undefined> {
  return new Promise((resolve, reject) => {
    refusals.set(request, ({ message }) => {
      response.setHeader('Sec-WebSocket-Version', '13');
      reject(
        new OxboardError('REQUEST_INVALID', `The WebSocket handshake is malformed: ${message}`),
      );
    });
    socket.once('close', () => resolve(undefined));
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      response.detachSocket(socket);
      response.statusCode = 101;
      // Without a socket the response would not notice.
      socket.once('close', () => response.emit('close'));
      resolve(webSocket);
    });
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
      await send(socket, JSON.stringify(encodeMessage(jobId, event)));
      if (isFinished(event)) break;
    }
    socket.close(stopping.aborted ? CLOSE.goingAway : CLOSE.normal);
  } catch (error) {
    if (socket.readyState === socket.OPEN && !stopping.aborted) {
      logger.error('websocket_failed', { job_id: jobId, error });
    }
    socket.close(stopping.aborted ? CLOSE.goingAway : CLOSE.tryAgain);
  } finally {
    const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
  }
}

/** Waits until the message is sent, so that a client that does not read has one in memory at most. */
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
