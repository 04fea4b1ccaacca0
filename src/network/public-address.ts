/**
 * Keeps connections that strangers ask for out of private networks. What counts is the address that
 * is connected to: a name may resolve to anything, and to something else a moment later, so that it
 * is judged by {@link publicLookup} while the socket is being made; an address that stands in a URL
 * itself is never looked up, and is judged by {@link assertPublicHost} before.
 */
import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { OxboardError } from '../errors.js';

/** What the Internet has been given of IPv6 so far; the rest holds old and odd ways into IPv4. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** The prefix by which networks without IPv4 reach public hosts that have nothing else (RFC 6052). */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** Never anything else, whoever resolves it (RFC 6761). */
const LOOPBACK_NAME = /(^|\.)localhost\.?$/i;
/** A public address that leads to the machine's host on Azure, where its secrets are told. */
const AZURE_HOST = '168.63.129.16';

/**
 * Whether `address` belongs to the public Internet. IPv4 within IPv6 (mapped, NAT64) is judged as
 * the IPv4 that it is; forms such as `0177.0.0.1` and `2130706433` as C libraries read them.
 * What is no address is not public.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parse(address);
  return parsed !== undefined && isPublic(parsed);
}

/**
 * Refuses a host, as it stands in a URL (IPv6 with or without brackets), that is an address and not
 * a public one, or a name of this machine itself. Other names pass: they are for
 * {@link publicLookup}.
 *
 * @throws OxboardError ADDRESS_NOT_PUBLIC
 */
export function assertPublicHost(host: string): void {
  const parsed = parse(host.replace(/^\[(.*)\]$/, '$1'));
  if (parsed === undefined ? LOOPBACK_NAME.test(host) : !isPublic(parsed)) throw notPublic(host);
}

/** Resolves a name to all of its addresses, as `dns.lookup` with `all` does. */
export type Resolver = (
  hostname: string,
  options: LookupOptions & { all: true },
  done: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A `lookup` for sockets that gives only public addresses of a name, and fails with
 * ADDRESS_NOT_PUBLIC when it has no other.
 */
export function createPublicLookup(resolve: Resolver = lookup): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        done(error, '');
        return;
      }
      const allowed = addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = allowed;
      if (first === undefined) done(notPublic(hostname), '');
      else if (options.all === true) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };
}

export const publicLookup: LookupFunction = createPublicLookup();

type Address = ReturnType<typeof ipaddr.parse>;

function parse(text: string): Address | undefined {
  return ipaddr.isValid(text) ? ipaddr.parse(text) : undefined;
}

function isPublic(address: Address): boolean {
  if (address.kind() === 'ipv4')
    return address.range() === 'unicast' && address.toString() !== AZURE_HOST;
  const ipv6 = address as ipaddr.IPv6;
  if (ipv6.isIPv4MappedAddress()) return isPublic(ipv6.toIPv4Address());
  if (ipv6.match(NAT64)) return isPublic(ipaddr.fromByteArray(ipv6.toByteArray().slice(12)));
  return ipv6.match(GLOBAL_IPV6) && ipv6.range() === 'unicast';
}

function notPublic(host: string): OxboardError {
  return new OxboardError(
    'ADDRESS_NOT_PUBLIC',
    `${host} is in a private network; only public addresses are connected to`,
  );
}
