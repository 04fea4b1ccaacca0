/**
 * yt-dlp's only access to the network: a proxy in this process that resolves names itself and connects
 * to public addresses only, whatever a link, a redirect or a name leads to. It ends with this process,
 * which leaves an orphaned yt-dlp without a network.
 */
import { randomUUID } from 'node:crypto';
import type { lookup as DnsLookup } from 'node:dns';
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { OxboardError } from '../../errors.js';
import { publicLookup } from '../../network/name-servers.js';
import { assertPublicHost } from '../../network/public-address.js';

const PORTS = [80, 443];

export interface Guard {
  /** For `http_proxy`, with a password, so that other programs of this machine cannot use it. */
  readonly url: string;
  /** The last refusal. */
  readonly refusal: OxboardError | undefined;
  close(): Promise<void>;
}

/**
 * @param allowedHosts the operator's list; for a host with a port any address is allowed.
 * @param lookup resolves names to public addresses.
 * @param upstream URL of a proxy through which all connections are made. It resolves names; those that
 * have only private addresses here are refused beforehand.
 */
export async function openGuard(
  allowedHosts: readonly string[],
  {
    lookup = publicLookup,
    upstream,
  }: { lookup?: LookupFunction; upstream?: string | undefined } = {},
): Promise<Guard> {
  // Loaded only for a download.
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
  /** A name that is not known here may be known to the proxy. */
  const refusePrivateName = (hostname: string): Promise<void> =>
    new Promise((resolve, reject) => {
      lookup(hostname, {}, (error) => {
        if (error instanceof OxboardError) reject(refuse(error));
        else resolve();
      });
    });
  // The agents of this process may hold open sockets to private hosts.
  const agents = { httpAgent: new Agent(), httpsAgent: new SecureAgent() };
  const server = new Server({
    host: '127.0.0.1',
    port: 0,
    async prepareRequestFunction({ hostname, port, password: given }) {
      if (given !== password) return { requestAuthentication: true };
      const connection = { ...agents, upstreamProxyUrl: upstream ?? null };
      if (allowedHosts.includes(`${hostname}:${String(port)}`)) return connection;
      try {
        if (!PORTS.includes(port)) throw wrongPort(hostname, port);
        assertPublicHost(hostname);
      } catch (error) {
        throw refuse(error);
      }
      if (upstream === undefined) {
        return { ...connection, dnsLookup: watched as typeof DnsLookup };
      }
      await refusePrivateName(hostname);
      return connection;
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
