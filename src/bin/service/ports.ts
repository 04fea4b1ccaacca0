/**
 * Listening, with errors that name the setting of the address.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { OxboardError } from '../../errors.js';

export interface Address {
  host: string;
  port: number;
  /** The environment variable that holds the port. */
  variable: string;
}

/** @throws OxboardError PORT_TAKEN, INVALID_ENVIRONMENT */
export async function listen(server: Server, address: Address): Promise<void> {
  server.listen({ host: address.host, port: address.port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw explainListenError(error, address);
  }
}

/**
 * Listens for a moment, so that a taken port is reported before anything else starts.
 *
 * @throws OxboardError PORT_TAKEN, INVALID_ENVIRONMENT
 */
export async function checkPorts(...addresses: readonly Address[]): Promise<void> {
  const [first, second] = addresses;
  if (first !== undefined && first.port === second?.port) {
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      `${first.variable} and ${second.variable} are both ${first.port}: each needs a port of its own`,
    );
  }
  for (const address of addresses) {
    const server = createServer();
    await listen(server, address);
    server.close();
    await once(server, 'close');
  }
}

function explainListenError(error: unknown, { host, port, variable }: Address): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return new OxboardError(
        'PORT_TAKEN',
        `Port ${port} is taken by another program. End that, or choose another port with ` +
          `${variable}, such as ${variable}=${port === 65_535 ? 8001 : port + 1}`,
      );
    case 'EACCES':
      return new OxboardError(
        'INVALID_ENVIRONMENT',
        `This user may not listen on port ${port}. Choose one above 1023 with ${variable}`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return new OxboardError(
        'INVALID_ENVIRONMENT',
        `HOST is "${host}", which is no address of this machine. 0.0.0.0 is all of them, ` +
          '127.0.0.1 only this machine itself',
      );
    default:
      return error;
  }
}
