/**
 * Resolves names by asking the machine's name servers only. The system's own lookup (getaddrinfo) also
 * reads `/etc/hosts`, but a process runs two of those at a time, and each takes as long as the servers
 * of the name let it: the owner of one name could keep the process from resolving any other, such as
 * Redis' and the storage's.
 */
import type { LookupAddress } from 'node:dns';
import { Resolver as DnsResolver } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { createPublicLookup, type Resolver } from './public-address.js';

/** Milliseconds until a name server is asked again, and how often: some seconds in all. */
const LIMITS = { timeout: 2_000, tries: 2 };

/** @param servers addresses with ports; without them, those of the machine at that moment. */
export function createNameServerResolver({
  servers,
  limits = LIMITS,
}: { servers?: readonly string[]; limits?: typeof LIMITS } = {}): Resolver {
  return (hostname, { family }, done) => {
    const resolver = new DnsResolver(limits);
    if (servers) resolver.setServers(servers);
    const addressesOf = async (kind: 4 | 6): Promise<LookupAddress[]> => {
      if (family !== undefined && ![0, kind, `IPv${String(kind)}`].includes(family)) return [];
      const found = await (kind === 4 ? resolver.resolve4(hostname) : resolver.resolve6(hostname));
      return found.map((address) => ({ address, family: kind }));
    };
    void Promise.allSettled([addressesOf(4), addressesOf(6)]).then((answers) => {
      const addresses = answers.flatMap((answer) =>
        answer.status === 'fulfilled' ? answer.value : [],
      );
      const failed = answers.find((answer) => answer.status === 'rejected');
      const error = addresses.length === 0 ? (failed?.reason as Error | undefined) : undefined;
      done(error ?? null, addresses);
    });
  };
}

/** For sockets to hosts that strangers name: only public addresses, from the name servers. */
export const publicLookup: LookupFunction = createPublicLookup(createNameServerResolver());
