/**
 * A forward proxy that tells what went through it.
 */
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface Proxy {
  url: string;
  /** Hosts and ports, in order. */
  passed: string[];
  /** User and password of each request that had them. */
  logins: string[];
  /** Refuses everything with this status. */
  refusal: number | undefined;
}

export async function startProxy(context: {
  after: (hook: () => unknown) => void;
}): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const noteLogin = ({ headers }: IncomingMessage) => {
    const login = headers['proxy-authorization']?.replace('Basic ', '');
    if (login !== undefined) proxy.logins.push(Buffer.from(login, 'base64').toString());
  };
  const server = createServer((request, response) => {
    noteLogin(request);
    const target = new URL(request.url ?? '');
    proxy.passed.push(target.host);
    const { method, headers } = request;
    if (proxy.refusal !== undefined) {
      response.writeHead(proxy.refusal).end();
      return;
    }
    request.pipe(
      httpRequest(target, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    noteLogin(request);
    const { url = '' } = request;
    proxy.passed.push(url);
    sockets.add(client);
    client.on('error', () => undefined);
    if (proxy.refusal !== undefined) {
      client.end(`HTTP/1.1 ${String(proxy.refusal)} Refused\r\n\r\n`);
      return;
    }
    const [host = '', port = ''] = url.split(':');
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    sockets.add(target);
    target.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const proxy: Proxy = {
    url: `http://127.0.0.1:${String(port)}`,
    passed: [],
    logins: [],
    refusal: undefined,
  };
  return proxy;
}
