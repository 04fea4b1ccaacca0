/**
 * Sends a form and tells how much of it is sent. fetch() of browsers cannot do the latter, so they
 * use XMLHttpRequest; Node.js streams the body.
 */
import { unreachable } from './service-error.js';

export interface UploadProgress {
  sentBytes: number;
  totalBytes: number;
}

export interface UploadRequest {
  url: URL;
  headers: Record<string, string>;
  form: FormData;
  /** Bytes of the song. */
  songBytes: number;
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
  send(body: FormData): void;
  abort(): void;
}
type BrowserRequestConstructor = new () => BrowserRequest;

function uploadInBrowser(
  { url, headers, form, onUpload, signal }: UploadRequest,
  xhr: BrowserRequest,
): Promise<Response> {
  const abort = () => xhr.abort();
  return new Promise<Response>((resolve, reject) => {
    xhr.open('POST', url.href);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (onUpload) {
      xhr.upload.onprogress = ({ loaded, total }) =>
        onUpload({ sentBytes: loaded, totalBytes: total });
    }
    xhr.onload = () =>
      resolve(
        new Response(xhr.responseText, {
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
    xhr.send(form);
  }).finally(() => signal?.removeEventListener('abort', abort));
}

async function uploadStream({
  url,
  headers,
  form,
  songBytes,
  onUpload,
  signal,
}: UploadRequest): Promise<Response> {
  const { body, headers: encoded } = new Response(form);
  let sentBytes = 0;
  const counted = body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        controller.enqueue(bytes);
        // The form adds some bytes to those of the song.
        sentBytes = Math.min(sentBytes + bytes.length, songBytes);
        onUpload?.({ sentBytes, totalBytes: songBytes });
      },
    }),
  );
  // Only the types of Node.js know `duplex`, without which it sends no stream.
  const init: RequestInit & { duplex: 'half' } = {
    method: 'POST',
    headers: { ...headers, 'Content-Type': encoded.get('Content-Type') ?? '' },
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
