/**
 * An S3 stand-in (moto_server, of the Python environment) behind a door that can be made to fail.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { Transform, type Readable } from 'node:stream';
import type { StorageConfig } from '../../src/storage/open.js';

interface Context {
  after: (hook: () => void) => void;
}

export type Fault =
  /** The connection ends without an answer. */
  | 'down'
  /** The connection stays, and nothing comes. */
  | 'silent'
  /** Every answer takes its time. */
  | 'slow'
  /** As a policy does that allows nothing. */
  | 'denied'
  /** As a store does whose disk or quota is full. */
  | 'full';

export interface TestS3 {
  /** For AWS_ENDPOINT_URL: the door. */
  url: string;
  /** What the door does with a request; undefined: it lets it through. */
  fault: Fault | undefined;
  /** Bytes of an object after which the connection ends, once for each of these. */
  cuts: number[];
  /** When the unfinished uploads were begun. */
  initiated: Date;
  /** Methods and paths, in order. */
  requests: string[];
  /** A bucket that nobody else has, with credentials that the AWS SDK finds in the environment. */
  bucket: () => Promise<string>;
}

export const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'AKIAOXBOARDTEST',
  AWS_SECRET_ACCESS_KEY: 'secret-of-the-test',
  AWS_EC2_METADATA_DISABLED: 'true',
};

export const s3Config = (s3: TestS3, bucket: string, prefix = ''): StorageConfig => ({
  storageUrl: `s3://${bucket}/${prefix}`,
  dataDir: '/nowhere',
  s3Endpoint: s3.url,
});

const SLOW_MS = 200;
const OBJECT = /\/(results|uploads|checkpoints)\/[^?]/;

export async function startS3(context: Context): Promise<TestS3> {
  Object.assign(process.env, CREDENTIALS);
  const moto = await startMoto(context);
  const door = createServer((request, response) => {
    const { method = '', url = '' } = request;
    s3.requests.push(`${method} ${url}`);
    if (s3.fault === 'silent') return;
    if (s3.fault === 'down') {
      request.socket.destroy();
      return;
    }
    if (s3.fault === 'denied' || s3.fault === 'full') {
      refuse(response, s3.fault);
      return;
    }
    if (s3.fault === 'slow') setTimeout(() => pass(request, response), SLOW_MS);
    else pass(request, response);
  });
  const pass = (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = request;
    const inner = httpRequest(`${moto}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      const body = /[?&]uploads/.test(url) ? answer.pipe(dated(s3.initiated)) : answer;
      const cut = method === 'GET' && OBJECT.test(url) ? s3.cuts.shift() : undefined;
      if (cut === undefined) body.pipe(response);
      else cutOff(body, response, cut);
    });
    inner.on('error', () => response.destroy());
    response.on('close', () => inner.destroy());
    request.pipe(inner);
  };
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  context.after(() => {
    door.closeAllConnections();
    door.close();
  });
  let buckets = 0;
  const s3: TestS3 = {
    url: `http://127.0.0.1:${(door.address() as AddressInfo).port}`,
    fault: undefined,
    cuts: [],
    initiated: new Date(),
    requests: [],
    async bucket() {
      const name = `bucket-${++buckets}`;
      const { ok, status } = await fetch(`${moto}/${name}`, { method: 'PUT' });
      if (!ok) throw new Error(`moto made no bucket: ${status}`);
      return name;
    },
  };
  return s3;
}

async function startMoto(context: Context): Promise<string> {
  const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', '0'], {
    env: { ...process.env, PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  context.after(() => void child.kill('SIGKILL'));
  let said = '';
  for await (const line of createInterface({ input: child.stderr })) {
    said += `${line}\n`;
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
    if (url === undefined) continue;
    child.stderr.resume();
    return url;
  }
  throw new Error(`moto_server did not start:\n${said}`);
}

const REFUSALS = {
  denied: [403, 'AccessDenied'],
  full: [507, 'XMinioStorageFull'],
} as const;

function cutOff(body: Readable, response: ServerResponse, bytes: number): void {
  let left = bytes;
  body.on('data', (chunk: Buffer) => {
    if (left < 0) return;
    const piece = chunk.subarray(0, left);
    left = chunk.length >= left ? -1 : left - chunk.length;
    response.write(piece, () => {
      if (left < 0) response.destroy();
    });
  });
}

/** moto tells of every upload that it was begun in 2010. */
const dated = (date: Date): Transform =>
  new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const initiated = `<Initiated>${date.toISOString()}</Initiated>`;
      done(null, chunk.toString().replaceAll(/<Initiated>.{24}<\/Initiated>/g, initiated));
    },
  });

function refuse(response: ServerResponse, fault: keyof typeof REFUSALS): void {
  const [status, code] = REFUSALS[fault];
  response.writeHead(status, { 'Content-Type': 'application/xml', Connection: 'close' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}
