/**
 * A receiver of webhooks that answers as it is told.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { HANG_MS } from './until.js';

export interface Delivery {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  /** Of performance.now(). */
  at: number;
}

export type Reply = (response: ServerResponse, request: IncomingMessage) => void;

export const status =
  (code: number, headers: Record<string, string> = {}): Reply =>
  (response) =>
    void response.writeHead(code, headers).end();

/** Never an answer. */
export const silence: Reply = () => undefined;

export interface Receiver {
  url: string;
  port: number;
  /** In the order of their coming. */
  deliveries: Delivery[];
  /** Resolves when so many have come. */
  received: (count: number) => Promise<Delivery[]>;
}

/** @param replies one for each delivery; 204 after the last one. */
export async function startReceiver(
  context: { after: (hook: () => unknown) => void },
  ...replies: Reply[]
): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    void buffer(request).then(
      (bytes) => {
        deliveries.push({
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers as Record<string, string>,
          body: bytes.toString(),
          at: performance.now(),
        });
        (replies.shift() ?? status(204))(response, request);
        for (const look of waiting) look();
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook?for=test`,
    port,
    deliveries,
    received: (count) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error(`${deliveries.length} of ${count} deliveries in time`)),
          HANG_MS,
        );
        const look = () => {
          if (deliveries.length < count) return;
          clearTimeout(late);
          waiting.delete(look);
          resolve(deliveries);
        };
        waiting.add(look);
        look();
      }),
  };
}
