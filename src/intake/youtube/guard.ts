/**
 * The only way out for yt-dlp: a proxy of this process that resolves names itself and connects to
 * public addresses alone, whatever a link, a redirect or a name leads to. It goes with this process,
 * and with it all that an orphaned yt-dlp could still do.
 */
import { randomUUID } from 'node:crypto';
import type { lookup as DnsLookup } from 'node:dns';
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { OxboardError } from '../../errors.js';
import { assertPublicHost, publicLookup } from '../../network/public-address.js';

const PORTS = [80, 443];

export interface Guard {
  /** For `http_proxy`, with a password: other programs of this machine are none of its clients. */
  readonly url: string;
  /** What was refused last. */
  readonly refusal: OxboardError | undefined;
  close(): Promise<void>;
}

/**
 * @param allowedHosts those with a port are connected to whatever their addresses are: the operator
 * has named them.
 * @param lookup of names; for tests.
 */
export async function openGuard(
  allowedHosts: readonly string[],
  lookup: LookupFunction = publicLookup,
): Promise<Guard> {
  // Only who downloads something has a use for it.
  const { Server, RequestError } = await import('proxy-chain');
  const password = randomUUID();
  let refusal: OxboardError | undefined;
  const refuse = (error: unknown) => {
    if (error instanceof OxboardError) refusal = error;
    return new RequestError('Refused', 403);
  };
  const watched: LookupFunction = (hostname, options, done) => {
    lookup(hostname, options, (error, address, family) => {
      if (error) refuse(error);
      done(error, address, family);
    });
  };
  // The process' own agents may hold sockets to places that are not for strangers.
  const agents = { httpAgent: new Agent(), httpsAgent: new SecureAgent() };
  const server = new Server({
    host: '127.0.0.1',
    port: 0,
    prepareRequestFunction({ hostname, port, password: given }) {
      if (given !== password) return { requestAuthentication: true };
      if (allowedHosts.includes(`${hostname}:${String(port)}`)) return agents;
      try {
        if (!PORTS.includes(port)) throw wrongPort(hostname, port);
        assertPublicHost(hostname);
      } catch (error) {
        throw refuse(error);
      }
      return { ...agents, dnsLookup: watched as typeof DnsLookup };
    },
  });
  await server.listen();
  return {
    url: `http://oxboard:${password}@127.0.0.1:${String(server.port)}`,
    get refusal() {
      return refusal;
    },
    close: () => server.close(true),
  };
}

const wrongPort = (hostname: string, port: number): OxboardError =>
  new OxboardError(
    'ADDRESS_NOT_PUBLIC',
    `The link leads to port ${String(port)} of ${hostname}; only 80 and 443 are connected to`,
  );
