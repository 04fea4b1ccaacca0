/**
 * A reverse proxy in front of a service: it gives the service a path below which clients find it, and can
 * stop passing on what the service sends without closing any connection.
 */
import { createServer, request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { listen } from './listen.js';

export interface ReverseProxy {
  /** Of the service as clients see it, with the path. */
  url: string;
  /** While true, bytes from the service are lost. */
  silent: boolean;
  /** Requests that came, as clients sent them. */
  requests: string[];
}

/**
 * @param path that clients use, such as `/stems`.
 * @param removes true: the proxy removes the path and names it in X-Forwarded-Prefix; false: the service
 *   gets the path as it is.
 */
export async function startReverseProxy(
  context: { after: (hook: () => unknown) => void },
  target: string,
  { path = '', removes = true }: { path?: string; removes?: boolean } = {},
): Promise<ReverseProxy> {
  const forward = ({ url = '', method, headers }: IncomingMessage) =>
    request(`${target}${removes ? url.slice(path.length) : url}`, {
      method,
      headers: { ...headers, ...(removes && path !== '' && { 'X-Forwarded-Prefix': path }) },
    });
  const pass = (from: NodeJS.ReadableStream, to: Duplex | NodeJS.WritableStream): void => {
    from.on('data', (bytes: Buffer) => {
      if (!proxy.silent) to.write(bytes);
    });
    from.on('end', () => {
      if (!proxy.silent) to.end();
    });
  };

  const server = createServer((incoming, response) => {
    proxy.requests.push(incoming.url ?? '');
    if (!incoming.url?.startsWith(`${path}/`)) {
      response.writeHead(404).end('not of the service');
      return;
    }
    const outgoing = forward(incoming);
    outgoing.on('response', (answer) => {
      if (proxy.silent) return;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      pass(answer, response);
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.on('upgrade', (incoming: IncomingMessage, client: Duplex) => {
    const outgoing = forward(incoming);
    outgoing.on('upgrade', ({ rawHeaders }, service, head) => {
      const lines = Array.from({ length: rawHeaders.length / 2 }, (_, index) =>
        rawHeaders.slice(2 * index, 2 * index + 2).join(': '),
      );
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      client.write(head);
      pass(service, client);
      client.pipe(service);
      client.on('error', () => service.destroy());
      service.on('error', () => client.destroy());
    });
    outgoing.on('error', () => client.destroy());
    outgoing.end();
  });
  const host = await listen(context, server);
  const proxy: ReverseProxy = {
    url: `http://${host}${path}`,
    silent: false,
    requests: [],
  };
  return proxy;
}
