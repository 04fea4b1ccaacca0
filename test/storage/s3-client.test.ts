import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { createS3Client } from '../../src/storage/s3-client.js';

const CONNECT_MS = 200;
const SOCKETS = 2;

it('does not count the wait for a free connection as time to connect', async (context) => {
  const busy = { now: 0, most: 0 };
  const server = createServer((_request, response) => {
    busy.most = Math.max(busy.most, ++busy.now);
    setTimeout(() => {
      busy.now--;
      response.end();
    }, CONNECT_MS / 2);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  context.after(() => server.close());
  process.env.AWS_ACCESS_KEY_ID ??= 'key';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'secret';
  const { port } = server.address() as AddressInfo;
  const client = createS3Client(
    { bucket: 'b', prefix: '', endpoint: `http://127.0.0.1:${port}`, region: undefined },
    { connectMs: CONNECT_MS, idleMs: 20_000 },
    SOCKETS,
  );
  context.after(() => {
    client.destroy();
  });
  const requests = Array.from({ length: 10 * SOCKETS }, (_, key) =>
    client.send(new HeadObjectCommand({ Bucket: 'b', Key: String(key) })),
  );
  await Promise.all(requests);
  assert.equal(busy.most, SOCKETS);
});
