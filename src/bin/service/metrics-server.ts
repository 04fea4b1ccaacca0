/**
 * GET /metrics on a separate port, which can stay closed to the outside.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Registry } from 'prom-client';
import type { Logger } from '../../observability/logger.js';
import { listen, type Address } from './ports.js';
import type { Part } from './service.js';

/** @throws OxboardError PORT_TAKEN, INVALID_ENVIRONMENT */
export async function startMetricsServer(
  address: Address,
  metrics: () => Promise<string>,
  logger: Logger,
): Promise<Part> {
  const server = createServer((request, response) => {
    // `new URL` would throw for some targets that clients can send.
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== '/metrics') {
      response.writeHead(404).end('The metrics are at /metrics\n');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    metrics().then(
      (text) =>
        response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text),
      (error: unknown) => {
        logger.error('metrics_failed', { error });
        response.writeHead(500).end();
      },
    );
  });
  await listen(server, address);
  return {
    async stop() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
    kill: () => undefined,
  };
}
