/**
 * Keeps connections that strangers ask for out of private networks. What counts is the address of the
 * connection. A name may resolve to anything, and to something else a moment later: it is checked by
 * {@link createPublicLookup} while the socket connects. An address in a URL is never looked up: it is
 * checked by {@link assertPublicHost} beforehand.
 */
import type { LookupAddress, LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { OxboardError } from '../errors.js';

/** The part of IPv6 that is in use on the Internet; the rest holds obsolete tunnels to IPv4. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** The prefix by which networks without IPv4 reach hosts that have nothing else (RFC 6052). */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** Always this machine, whoever resolves it (RFC 6761). */
const LOOPBACK_NAME = /(^|\.)localhost\.?$/i;
/** A public address by which virtual machines on Azure reach their host, which knows secrets. */
const AZURE_HOST = '168.63.129.16';

/**
 * Whether `address` belongs to the public Internet. IPv4 within IPv6 (mapped, NAT64) counts as IPv4;
 * forms such as `0177.0.0.1` and `2130706433` are read as C libraries do. A text that is not an
 * address is not public.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parse(address);
  return parsed !== undefined && isPublic(parsed);
}

/**
 * Refuses a host of a URL (IPv6 with or without brackets) that is an address but not a public one, or
 * a name of this machine. Other names pass: see {@link createPublicLookup}.
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
export function createPublicLookup(resolve: Resolver): LookupFunction {
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
