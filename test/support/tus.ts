/**
 * A client of the tus protocol, as far as tests need one.
 */
import type { TestContext } from 'node:test';
import { connectQueue } from '../../src/queue/connection.js';
import { createDispatcher } from '../../src/queue/dispatcher.js';
import { createSweeper } from '../../src/queue/sweeper.js';
import { quiet } from '../queue/harness.js';
import { request as httpRequest, type ClientRequest } from 'node:http';
import { once } from 'node:events';
import type { Answer } from './contract.js';
import { call } from './contract.js';
import type { TestApi } from './api.js';

type Headers = Record<string, string>;

export const TUS = { 'Tus-Resumable': '1.0.0' };
const OCTETS = { 'Content-Type': 'application/offset+octet-stream' };

export function begin(
  api: TestApi,
  sizeBytes: number,
  { name = 'song.wav', headers = {} }: { name?: string; headers?: Headers } = {},
): Promise<Answer> {
  return call(api, '/uploads', {
    method: 'POST',
    headers: {
      ...TUS,
      'Upload-Length': String(sizeBytes),
      'Upload-Metadata': `filename ${Buffer.from(name).toString('base64')}`,
      ...headers,
    },
  });
}

/** Begins an upload and gives its id. */
export async function begun(...args: Parameters<typeof begin>): Promise<string> {
  const { status, headers, body } = await begin(...args);
  if (status !== 201) throw new Error(JSON.stringify(body));
  return headers.get('location')!.split('/').at(-1)!;
}

export const send = (
  api: TestApi,
  id: string,
  offset: number,
  bytes: Uint8Array,
  headers: Headers = {},
): Promise<Answer> =>
  call(api, `/uploads/${id}`, {
    method: 'PATCH',
    headers: { ...TUS, ...OCTETS, 'Upload-Offset': String(offset), ...headers },
    body: new Uint8Array(bytes),
  });

export const head = (api: TestApi, id: string, headers: Headers = {}): Promise<Answer> =>
  call(api, `/uploads/${id}`, { method: 'HEAD', headers: { ...TUS, ...headers } });

export const offsetOf = async (api: TestApi, id: string): Promise<number> =>
  Number((await head(api, id)).headers.get('upload-offset') ?? Number.NaN);

export const remove = (api: TestApi, id: string, headers: Headers = {}): Promise<Answer> =>
  call(api, `/uploads/${id}`, { method: 'DELETE', headers: { ...TUS, ...headers } });

export function stemify(
  api: TestApi,
  fields: Record<string, string>,
  headers: Headers = {},
): Promise<Answer> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  return call(api, '/stemify', { method: 'POST', body, headers });
}

/** Sends the first of `length` bytes, and leaves the connection open. */
export function sendSome(
  { port }: Pick<TestApi, 'port'>,
  id: string,
  { offset, length, bytes }: { offset: number; length: number; bytes: Uint8Array },
): ClientRequest {
  const request = httpRequest({
    port,
    method: 'PATCH',
    path: `/api/v1/uploads/${id}`,
    headers: { ...TUS, ...OCTETS, 'Upload-Offset': offset, 'Content-Length': length },
  });
  request.on('error', () => undefined);
  request.write(bytes);
  return request;
}

/** The status of the answer and its offset. */
export async function answerOf(
  request: ClientRequest,
): Promise<{ status: number; offset: number }> {
  const [response] = (await once(request, 'response')) as [
    { statusCode: number; headers: Record<string, string>; resume: () => void },
  ];
  response.resume();
  return { status: response.statusCode, offset: Number(response.headers['upload-offset']) };
}

/** What removes uploads whose time is over, at once; the caller has it sweep. */
export async function sweeperOf(api: TestApi, context: TestContext) {
  const connection = await connectQueue({ redisUrl: api.redis.url, redisDb: 0 }, quiet);
  const dispatcher = createDispatcher(connection, quiet);
  context.after(async () => {
    await dispatcher.waiting();
    await dispatcher.close();
    await connection.close();
  });
  const { storage } = api;
  const kept = { jobTtl: 3600, maxWait: 3600, keptMs: 0 };
  const sweeper = createSweeper(connection, { dispatcher, storage, logger: quiet, ...kept });
  return { connection, sweeper };
}
