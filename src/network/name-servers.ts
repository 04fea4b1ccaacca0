/**
 * Names by the machine's name servers alone. The system's own lookup knows more (`/etc/hosts`), but a
 * process does two of those at a time, and each lasts as long as the servers of the name let it: who
 * owns a name could keep a whole process from resolving any other, Redis' and the storage's included.
 */
import type { LookupAddress } from 'node:dns';
import { Resolver as NameServers } from 'node:dns/promises';
import type { Resolver } from './public-address.js';

/** Milliseconds until a name server is asked again, and how often: some seconds in all. */
const PATIENCE = { timeout: 2_000, tries: 2 };

/** @param servers addresses with ports; without them, those of the machine as they are just then. */
export function createNameServerResolver({
  servers,
  patience = PATIENCE,
}: { servers?: readonly string[]; patience?: typeof PATIENCE } = {}): Resolver {
  return (hostname, { family }, done) => {
    const asked = new NameServers(patience);
    if (servers) asked.setServers(servers);
    const addressesOf = async (kind: 4 | 6): Promise<LookupAddress[]> => {
      if (family !== undefined && ![0, kind, `IPv${String(kind)}`].includes(family)) return [];
      const found = await (kind === 4 ? asked.resolve4(hostname) : asked.resolve6(hostname));
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
