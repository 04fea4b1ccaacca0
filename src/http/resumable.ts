/**
 * Requests of the tus protocol (resumable uploads, version 1.0.0), which @tus/server answers. Here are
 * our limits and errors; a body that ends early, for whatever reason, is kept as far as it came.
 */
import { PassThrough, Readable } from 'node:stream';
import type { Request, Response } from 'express';
import { ERRORS, Server, type Upload } from '@tus/server';
import { OxboardError, type ErrorCode } from '../errors.js';
import type { ResumableLimits, ResumableUpload, ResumableUploads } from '../jobs/ports.js';
import type { ResumableStore } from '../storage/resumable.js';
import type { Storage } from '../storage/storage.js';
import type { IncomingFolder } from './incoming-folder.js';
import type { OpenStreams } from './job-listeners.js';
import { linger } from './problem.js';
import type { RequestContext } from './request-context.js';
import { cleanName, tooLarge, type UploadedFile, type UploadSettings } from './upload.js';
import { watchBody } from './upload-pace.js';

export const TUS_VERSION = '1.0.0';

/** For how long a request whose upload another one wants still takes what comes. */
const DRAIN_MS = 200;

/** Of a request that the protocol gives a meaning to. */
const REQUEST_HEADERS = [
  'tus-resumable',
  'upload-concat',
  'upload-defer-length',
  'upload-length',
  'upload-metadata',
  'upload-offset',
  'content-length',
  'content-type',
];
/** Of an answer. Those for browsers of other origins are ours to set. */
const RESPONSE_HEADERS = [
  'cache-control',
  'tus-extension',
  'tus-max-size',
  'tus-version',
  'upload-expires',
  'upload-length',
  'upload-metadata',
  'upload-offset',
];

export interface ResumableDependencies {
  resumable: {
    uploads: ResumableUploads;
    store: ResumableStore;
    limits: ResumableLimits;
  };
  upload: UploadSettings;
  storage: Storage;
  streams: OpenStreams;
}

export const uploadNotFound = (): OxboardError =>
  new OxboardError('UPLOAD_NOT_FOUND', 'There is no such upload, or it was removed');

const keyOf = (id: string): string => `resumable/${id}/song`;

/** @throws OxboardError UPLOAD_NOT_FOUND for an id that is unknown, removed or another tenant's. */
export async function findUpload(
  id: string,
  { tenant }: RequestContext,
  { resumable }: ResumableDependencies,
): Promise<ResumableUpload> {
  const found = await resumable.uploads.get(id, tenant);
  if (!found) throw uploadNotFound();
  return found;
}

/**
 * The song of an upload that is complete, as a file of this process.
 *
 * @throws OxboardError UPLOAD_NOT_FOUND, UPLOAD_INCOMPLETE, DISK_FULL, STORAGE_UNAVAILABLE
 */
export async function fetchUpload(
  id: string,
  context: RequestContext,
  dependencies: ResumableDependencies & { upload: { folder: IncomingFolder } },
): Promise<UploadedFile> {
  const { storage, upload } = dependencies;
  const { name, sizeBytes } = await findUpload(id, context, dependencies);
  const key = keyOf(id);
  const stored = await storage.stat(key);
  if (stored?.sizeBytes !== sizeBytes) {
    throw new OxboardError(
      'UPLOAD_INCOMPLETE',
      `The upload is not complete: it was announced with ${String(sizeBytes)} bytes. HEAD tells how ` +
        'many of them are there',
    );
  }
  await upload.folder.requireSpace(sizeBytes);
  const bytes = await storage.read(key, undefined, context.signal);
  return { ...(await upload.folder.receive(bytes)), name };
}

/**
 * Answers a request for an upload, but for `Location`.
 *
 * @param options.onCreate called before the upload is made, with what its client announces.
 * @throws OxboardError
 */
export async function answerTus(
  request: Request,
  response: Response,
  {
    id,
    dependencies,
    onCreate,
  }: {
    id: string;
    dependencies: ResumableDependencies;
    onCreate?: (announced: { name: string; sizeBytes: number }) => Promise<void>;
  },
): Promise<void> {
  const { store: place, uploads } = dependencies.resumable;
  const name = place.nameOf(keyOf(id));
  let failure: unknown;
  const server = new Server({
    path: '/',
    relativeLocation: true,
    datastore: place.store,
    maxSize: dependencies.upload.maxFileSize,
    lockDrainTimeout: DRAIN_MS,
    namingFunction: () => name,
    getFileIdFromRequest: () => name,
    locker: { newLock: () => lockOf(uploads, id) },
    onUploadCreate: async (_request, { size, metadata }: Upload) => {
      await onCreate?.({ name: cleanName(metadata?.filename ?? ''), sizeBytes: size ?? 0 });
      // Other names would become headers of the object in a bucket.
      return { metadata: { filename: metadata?.filename ?? null } };
    },
    onResponseError: (_request, error) => {
      failure = error;
      return undefined;
    },
  });

  const body = hasBody(request) ? bodyOf(request, dependencies) : undefined;
  if (body && request.headers.expect !== undefined) response.writeContinue();
  const answer = await server.handleWeb(webRequest(request, body?.stream));
  body?.stop();
  if (body?.failure) throw body.failure;
  if (answer.status >= 400) {
    throw await explain(
      failure,
      { status: answer.status, text: await answer.text() },
      dependencies,
    );
  }
  for (const header of RESPONSE_HEADERS) {
    const value = answer.headers.get(header);
    if (value !== null) response.set(header, value);
  }
  if (!request.complete) {
    response.set('Connection', 'close');
    linger(request, response);
  }
  response.status(answer.status);
}

/** @throws OxboardError TUS_VERSION_UNSUPPORTED */
export function checkTusVersion(request: Request, response: Response): void {
  response.set('Tus-Resumable', TUS_VERSION);
  if (request.get('tus-resumable') === TUS_VERSION) return;
  response.set('Tus-Version', TUS_VERSION);
  throw new OxboardError(
    'TUS_VERSION_UNSUPPORTED',
    `Uploads follow the tus protocol, version ${TUS_VERSION}: send "Tus-Resumable: ${TUS_VERSION}"`,
  );
}

function lockOf(uploads: ResumableUploads, id: string) {
  let release: (() => Promise<void>) | undefined;
  return {
    async lock(signal: AbortSignal, onWanted: () => void | Promise<void>) {
      release = await uploads.lock(id, { signal, onWanted: () => void onWanted() });
    },
    async unlock() {
      await release?.();
    },
  };
}

const hasBody = ({ method, headers }: Request): boolean =>
  (method === 'PATCH' || method === 'POST') &&
  (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);

/** The body, which ends with what has come when the client is gone or too slow, or we are stopped. */
function bodyOf(
  request: Request,
  { upload: { pace, maxFileSize }, streams }: ResumableDependencies,
) {
  const stream = new PassThrough();
  const { signal: stopping, done } = streams.add();
  const body = {
    stream,
    /** Why it ended early, if that is the client's to know. */
    failure: undefined as OxboardError | undefined,
    stop() {
      stopWatching();
      done();
    },
  };
  const end = () => {
    request.unpipe(stream);
    stream.end();
  };
  const stopWatching = watchBody(request, { pace, maxBytes: maxFileSize }, (failure) => {
    body.failure = failure === 'too large' ? tooLarge(maxFileSize) : failure;
    end();
  });
  request.once('error', end);
  request.once('close', end);
  stopping.addEventListener('abort', end, { once: true });
  request.pipe(stream);
  return body;
}

function webRequest(request: Request, body: Readable | undefined): globalThis.Request {
  const headers = new Headers();
  for (const header of REQUEST_HEADERS) {
    const value = request.get(header);
    if (value !== undefined) headers.set(header, value);
  }
  // Only the types of Node.js know `duplex`, without which it takes no stream.
  const init: RequestInit & { duplex: 'half' } = {
    method: request.method,
    headers,
    duplex: 'half',
    ...(body && { body: Readable.toWeb(body) as NonNullable<RequestInit['body']> }),
  };
  return new Request(new URL(request.path, 'http://localhost'), init);
}

/** By the status of @tus/server. Its texts are for people. */
const CODES: Record<number, ErrorCode> = {
  404: 'UPLOAD_NOT_FOUND',
  409: 'UPLOAD_OFFSET_CONFLICT',
  410: 'UPLOAD_NOT_FOUND',
};

async function explain(
  failure: unknown,
  { status, text }: { status: number; text: string },
  { resumable, storage, upload }: ResumableDependencies,
): Promise<unknown> {
  if (failure instanceof OxboardError) return failure;
  if (failure === ERRORS.ABORTED) {
    return new OxboardError('UPLOAD_BUSY', 'Another request for this upload came at the same time');
  }
  if (status === 413) return tooLarge(upload.maxFileSize);
  // The store says so of whatever it cannot read.
  if (status === 404) await storage.check();
  const code = CODES[status];
  if (code === 'UPLOAD_NOT_FOUND') return uploadNotFound();
  if (code) return new OxboardError(code, text.trim());
  if (status < 500 || status === 501) return new OxboardError('REQUEST_INVALID', text.trim());
  return resumable.store.explain(failure);
}
