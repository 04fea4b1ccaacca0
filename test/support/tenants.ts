/**
 * Two tenants, and what each of them would do.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { jobDocument } from '../../src/http/job-document.js';
import { complete, submit, takeJob, type TestApi } from './api.js';
import { call } from './contract.js';

export const ALICE = 'alice-4f1c0d5e7a';
export const BOB = 'bob+/=~._-93';
export const ORIGIN = 'https://board.example';
export const VOCALS = Buffer.from('the voice of Alice');

export const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });
export const as = (key: string, init: RequestInit & { method?: string } = {}) => ({
  ...init,
  headers: { ...(init.headers as Record<string, string> | undefined), ...bearer(key) },
});

/** A job of Alice's that is complete. */
export async function completed(
  api: TestApi,
  fields: Record<string, string> = {},
): Promise<string> {
  const id = await submit(api, fields, undefined, bearer(ALICE));
  await complete(api, await takeJob(api), { vocals: VOCALS });
  return id;
}

export const documentOf = async (api: TestApi, id: string, key = ALICE) =>
  (await call(api, `/jobs/${id}`, as(key))).as(jobDocument);

/** Paths below /api/v1 of the URLs that a job's document names. */
export async function urlsOf(api: TestApi, id: string) {
  const { events_url: events, ws_url: ws, result } = await documentOf(api, id);
  const urls = { events, ws, zip: result!.zip_url, stem: result!.stems.vocals!.url };
  return Object.fromEntries(
    Object.entries(urls).map(([name, url]) => [name, url.replace('/api/v1', '')]),
  ) as typeof urls;
}

export const tokenOf = (url: string): string =>
  new URL(url, 'http://x').searchParams.get('token') ?? assert.fail(`no token in ${url}`);

/** The answer to a request for a WebSocket. */
export async function openSocket(api: TestApi, path: string, options: object = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/api/v1${path}`, options);
  const messages: string[] = [];
  socket.on('message', (data: Buffer) => messages.push(data.toString()));
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then((answer) => {
      const [asked, response] = answer as [ClientRequest, IncomingMessage];
      asked.destroy();
      return response.statusCode;
    }),
  ]);
  return { socket, status, messages };
}
