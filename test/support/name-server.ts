/** A name server for tests: it knows the addresses of every name, or says nothing. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import ipaddr from 'ipaddr.js';

const TYPES: Record<number, 'ipv4' | 'ipv6'> = { 1: 'ipv4', 28: 'ipv6' };

export interface NameServer {
  /** Address and port, as `setServers` has it. */
  address: string;
  /** Questions so far. */
  asked: () => number;
}

/** @param addresses undefined: no question is answered. */
export async function startNameServer(
  context: { after: (hook: () => void) => void },
  addresses?: readonly string[],
): Promise<NameServer> {
  const socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (query, { port, address }) => {
    asked++;
    if (addresses) socket.send(answer(query, addresses), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  context.after(() => socket.close());
  return { address: `127.0.0.1:${String(socket.address().port)}`, asked: () => asked };
}

/** RFC 1035, section 4: the header, the question as it was, and a record for each address. */
function answer(query: Buffer, addresses: readonly string[]): Buffer {
  const endOfQuestion = query.indexOf(0, 12) + 5;
  const type = query.readUInt16BE(endOfQuestion - 4);
  const records = addresses
    .map((text) => ipaddr.parse(text))
    .filter((address) => address.kind() === TYPES[type])
    .map((address) => {
      const bytes = address.toByteArray();
      const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length]);
      return Buffer.concat([head, Buffer.from(bytes)]);
    });
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(12, endOfQuestion), ...records]);
}
