/**
 * Sends a large song in parts, by the core of the tus protocol: after a cut connection it goes on with
 * what the service does not have yet.
 */
import { ask, read, type CallOptions } from './request.js';
import { MAX_TRIES, RETRY_MS, sleep } from './retry.js';
import { checked, isTransient, ServiceError } from './service-error.js';
import { Silence } from './silence.js';
import { upload, type UploadProgress } from './upload.js';
import type { CamelCase } from './camel-case.js';

/** Smaller songs are sent with the form. */
export const RESUMABLE_FROM_BYTES = 20_000_000;

/** Of one request: so much is sent again where a proxy keeps requests until they are whole. */
const PART_BYTES = 2 ** 24;
/** Longest time in which nothing can be sent and nothing comes. */
const SILENCE_MS = 60_000;
const MAX_NAME_CHARACTERS = 500;

const TUS = { 'Tus-Resumable': '1.0.0' };

export interface ResumableRequest extends CallOptions {
  /** Where the API is. */
  api: URL;
  /** Of every request. */
  headers: Record<string, string>;
  onUpload: ((progress: UploadProgress) => void) | undefined;
}

/**
 * Sends the song, then the form with its `upload_id`. Nothing of the song stays with the service when
 * this fails.
 *
 * @returns what POST /stemify answers.
 * @throws ServiceError; `signal.reason` when aborted.
 */
export async function submitInParts<T>(
  song: Blob,
  form: FormData,
  request: ResumableRequest,
): Promise<CamelCase<T>> {
  const { api, headers, signal } = request;
  const id = await begin(song, request);
  const url = new URL(`uploads/${id}`, api);
  try {
    await sendAll(song, url, request);
    form.append('upload_id', id);
    return await retried(signal, async () => {
      const response = await upload({
        method: 'POST',
        url: new URL('stemify', api),
        // The answer may be lost, and the form is sent again: that is the same job.
        headers: { 'Idempotency-Key': `upload-${id}`, ...headers },
        body: form,
        bodyBytes: 0,
        onUpload: undefined,
        signal,
      });
      return read<T>(await checked(response));
    });
  } catch (error) {
    const gone = { method: 'DELETE', headers: { ...headers, ...TUS } };
    await ask(url, gone, () => Promise.resolve()).catch(() => undefined);
    throw error;
  }
}

/** @returns the id of the upload. */
function begin(song: Blob, { api, headers, signal }: ResumableRequest): Promise<string> {
  const name = (song as { name?: string }).name ?? 'song';
  const request = {
    method: 'POST',
    headers: {
      ...headers,
      ...TUS,
      'Upload-Length': String(song.size),
      'Upload-Metadata': `filename ${base64(name.slice(0, MAX_NAME_CHARACTERS))}`,
    },
    signal,
  };
  return ask(new URL('uploads', api), request, (response) => {
    const id = /[^/]+$/.exec(response.headers.get('Location') ?? '')?.[0];
    if (id !== undefined) return Promise.resolve(id);
    throw new ServiceError('ANSWER_INVALID', 'The answer does not tell where the upload is');
  });
}

async function sendAll(song: Blob, url: URL, request: ResumableRequest): Promise<void> {
  /** How much the service has; undefined while only it knows. */
  let offset: number | undefined = 0;
  for (let tries = 1; offset !== song.size; tries++) {
    try {
      offset ??= await offsetOf(url, request);
      const before: number = offset;
      if (before < song.size) offset = await sendPart(song, before, url, request);
      if (offset > before) tries = 0;
    } catch (error) {
      request.signal?.throwIfAborted();
      if (!goesOn(error) || tries >= MAX_TRIES) throw error;
      offset = undefined;
      await sleep(RETRY_MS, request.signal);
    }
  }
}

/** @returns how much the service has now. */
async function sendPart(
  song: Blob,
  offset: number,
  url: URL,
  { headers, onUpload, signal }: ResumableRequest,
): Promise<number> {
  const part = song.slice(offset, offset + PART_BYTES);
  const silence = new Silence(SILENCE_MS);
  try {
    const response = await upload({
      method: 'PATCH',
      url,
      headers: {
        ...headers,
        ...TUS,
        'Upload-Offset': String(offset),
        'Content-Type': 'application/offset+octet-stream',
      },
      body: part,
      bodyBytes: part.size,
      onUpload({ sentBytes }) {
        silence.broken();
        onUpload?.({ sentBytes: offset + sentBytes, totalBytes: song.size });
      },
      signal: AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]),
    });
    return offsetIn(await checked(response));
  } finally {
    silence.end();
  }
}

function offsetOf(url: URL, { headers, signal }: ResumableRequest): Promise<number> {
  const request = { method: 'HEAD', headers: { ...headers, ...TUS }, signal };
  return ask(url, request, (response) => Promise.resolve(offsetIn(response))).catch(
    (error: unknown) => {
      // An answer to HEAD has no document.
      if (!(error instanceof ServiceError) || error.status !== 404) throw error;
      throw new ServiceError('UPLOAD_NOT_FOUND', 'The service has removed the upload', {
        status: 404,
      });
    },
  );
}

function offsetIn(response: Response): number {
  const offset = response.headers.get('Upload-Offset');
  if (offset !== null) return Number(offset);
  throw new ServiceError('ANSWER_INVALID', 'The answer does not tell how much is there');
}

/** An answer that was lost leaves us behind what the service has. */
const goesOn = (error: unknown): boolean =>
  isTransient(error) || (error instanceof ServiceError && error.code === 'UPLOAD_OFFSET_CONFLICT');

async function retried<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const limited = error instanceof ServiceError && error.status === 429;
      if (!isTransient(error) || limited || tries >= MAX_TRIES) throw error;
      await sleep(RETRY_MS, signal);
    }
  }
}

const base64 = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));
