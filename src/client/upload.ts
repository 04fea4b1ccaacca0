/**
 * Sends a body and tells how much of it is sent. fetch() of browsers cannot do the latter, so they
 * use XMLHttpRequest; Node.js streams the body.
 */
import { unreachable } from './service-error.js';

export interface UploadProgress {
  sentBytes: number;
  totalBytes: number;
}

export interface UploadRequest {
  method: 'POST' | 'PATCH';
  url: URL;
  headers: Record<string, string>;
  body: FormData | Blob;
  /** Those of the song; a form adds some. */
  bodyBytes: number;
  onUpload: ((progress: UploadProgress) => void) | undefined;
  signal: AbortSignal | undefined;
}

/** @throws ServiceError SERVICE_UNREACHABLE; `signal.reason` when aborted. */
export function upload(request: UploadRequest): Promise<Response> {
  request.signal?.throwIfAborted();
  const { XMLHttpRequest } = globalThis as { XMLHttpRequest?: BrowserRequestConstructor };
  return XMLHttpRequest ? uploadInBrowser(request, new XMLHttpRequest()) : uploadStream(request);
}

/** What is used of a browser's XMLHttpRequest, which Node.js has no types for. */
interface BrowserRequest {
  readonly upload: {
    onprogress: ((event: { loaded: number; total: number }) => void) | null;
  };
  readonly status: number;
  readonly responseText: string;
  onload: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getAllResponseHeaders(): string;
  send(body: FormData | Blob): void;
  abort(): void;
}
type BrowserRequestConstructor = new () => BrowserRequest;

function uploadInBrowser(
  { method, url, headers, body, onUpload, signal }: UploadRequest,
  xhr: BrowserRequest,
): Promise<Response> {
  const abort = () => xhr.abort();
  return new Promise<Response>((resolve, reject) => {
    xhr.open(method, url.href);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (onUpload) {
      xhr.upload.onprogress = ({ loaded, total }) =>
        onUpload({ sentBytes: loaded, totalBytes: total });
    }
    xhr.onload = () =>
      resolve(
        // An answer without a body takes no empty one.
        new Response(xhr.responseText || null, {
          status: xhr.status,
          headers: xhr
            .getAllResponseHeaders()
            .split('\r\n')
            .filter((line) => line !== '')
            .map((line): [string, string] => {
              const colon = line.indexOf(':');
              return [line.slice(0, colon), line.slice(colon + 1).trim()];
            }),
        }),
      );
    xhr.onerror = xhr.onabort = () => {
      reject(unreachable(undefined, url, signal));
    };
    signal?.addEventListener('abort', abort, { once: true });
    xhr.send(body);
  }).finally(() => signal?.removeEventListener('abort', abort));
}

async function uploadStream({
  method,
  url,
  headers,
  body: given,
  bodyBytes,
  onUpload,
  signal,
}: UploadRequest): Promise<Response> {
  const { body, headers: encoded } = new Response(given);
  let sentBytes = 0;
  const counted = body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        controller.enqueue(bytes);
        // The form adds some bytes to those of the song.
        sentBytes = Math.min(sentBytes + bytes.length, bodyBytes);
        onUpload?.({ sentBytes, totalBytes: bodyBytes });
      },
    }),
  );
  // Only the types of Node.js know `duplex`, without which it sends no stream.
  const init: RequestInit & { duplex: 'half' } = {
    method,
    headers: { 'Content-Type': encoded.get('Content-Type') ?? '', ...headers },
    body: counted ?? null,
    duplex: 'half',
    ...(signal && { signal }),
  };
  try {
    return await fetch(url, init);
  } catch (error) {
    throw unreachable(error, url, signal);
  }
}
