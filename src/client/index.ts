/**
 * A client of the service's HTTP API, for browsers and Node.js.
 */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Form } from '../http/form.js';
import type { JobDocument, JobMessage, JobSummary } from '../http/job-document.js';
import type { HealthDocument } from '../http/routes/health.js';
import type { ModelListDocument } from '../http/routes/models.js';
import type { AcceptedDocument } from '../http/routes/stemify.js';
import { camelCase, snakeName, type CamelCase } from './camel-case.js';
import { readPeaks, type Peaks } from './peaks.js';
import {
  apiUrl,
  ask,
  bearer,
  jobsPath,
  read,
  send,
  withId,
  type CallOptions,
  type JobQuery,
  type Request,
  type WithId,
} from './request.js';
import { RESUMABLE_FROM_BYTES, submitInParts } from './resumable.js';
import { MAX_TRIES, RETRY_MS, sleep } from './retry.js';
import { checked, isTransient, ServiceError } from './service-error.js';
import { Silence } from './silence.js';
import { upload, type UploadProgress } from './upload.js';

export {
  OxboardAdmin,
  type AdminJob,
  type AdminOptions,
  type Queue,
  type WorkerList,
} from './admin.js';
export { ServiceError, type CallOptions, type JobQuery, type Peaks, type UploadProgress };

/** A job; see the schema Job of the OpenAPI document. */
export type Job = WithId<CamelCase<JobDocument>>;
/** A job in a list: without manifest and playback. */
export type JobInList = WithId<CamelCase<JobSummary>>;
export type Playback = NonNullable<Job['playback']>;
/** A change of a job. Its `id` is that of the message. */
export type JobUpdate = CamelCase<JobMessage>;
export type Health = CamelCase<HealthDocument>;
export type ModelList = CamelCase<ModelListDocument>;
export type Accepted = WithId<CamelCase<AcceptedDocument>>;

/** A file, a link to a video, or a link to a file. */
export type Song = Blob | { youtubeUrl: string } | { sourceUrl: string };

/** What the form of POST /stemify takes besides the song. */
export type SeparateOptions = Partial<Form['options']> &
  Partial<Omit<Form, 'options' | 'youtubeUrl' | 'sourceUrl' | 'uploadId'>>;

export interface ClientOptions {
  /**
   * Where the service is, with BASE_PATH if it has one. In browsers it can be relative to the page.
   */
  baseUrl: string;
  /** One of the service's API_KEYS, if it has any. */
  apiKey?: string | undefined;
}

export interface SubmitOptions extends CallOptions {
  /** Makes it safe to send the same song again after an error: it gives the same job. */
  idempotencyKey?: string | undefined;
  onUpload?: ((progress: UploadProgress) => void) | undefined;
}

export interface SeparateCallOptions extends SubmitOptions {
  onProgress?: ((update: JobUpdate) => void) | undefined;
}

export interface EventOptions extends CallOptions {
  /** Id of the last update that was seen: the next one is the first. */
  lastEventId?: string | undefined;
}

/** Longest time without a byte on a stream of events, until the service says how often it sends some. */
const SILENCE_MS = 30_000;
/** A sign of life may be late by as much as the interval between two. */
const INTERVALS_OF_SILENCE = 2;
export class OxboardClient {
  readonly #api: URL;
  readonly #headers: Record<string, string>;

  /** @throws TypeError for a `baseUrl` that is no URL. */
  constructor({ baseUrl, apiKey }: ClientOptions) {
    this.#api = apiUrl(baseUrl);
    this.#headers = bearer(apiKey);
  }

  /**
   * Separates a song: submits it and follows the job to its end. When `signal` aborts, the job is
   * cancelled.
   *
   * @returns the completed job.
   * @throws ServiceError with the code of the job's error, JOB_CANCELLED, and those of {@link submit}.
   */
  async separate(
    song: Song,
    options: SeparateOptions = {},
    { onProgress, signal, ...rest }: SeparateCallOptions = {},
  ): Promise<Job> {
    const { id } = await this.submit(song, options, { ...rest, signal });
    try {
      for await (const update of this.events(id, { signal })) onProgress?.(update);
    } catch (error) {
      if (signal?.aborted) await this.remove(id).catch(() => undefined);
      throw error;
    }
    const job = await this.job(id, { signal });
    if (job.status === 'completed') return job;
    if (job.error !== null && job.errorCode !== null)
      throw new ServiceError(job.errorCode, job.error);
    throw new ServiceError('JOB_CANCELLED', 'The job was cancelled');
  }

  /**
   * Sends a song and returns as soon as the service has accepted it. A song of more than 20 MB is sent in
   * parts: a cut connection goes on where it was.
   *
   * @throws ServiceError; `signal.reason` when aborted.
   */
  async submit(
    song: Song,
    options: SeparateOptions = {},
    { idempotencyKey, onUpload, signal }: SubmitOptions = {},
  ): Promise<Accepted> {
    const form = new FormData();
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined) continue;
      const field = name === 'format' ? 'output_format' : snakeName(name);
      for (const item of [value].flat()) form.append(field, String(item));
    }
    const headers = {
      ...this.#headers,
      ...(idempotencyKey !== undefined && { 'Idempotency-Key': idempotencyKey }),
    };
    if (song instanceof Blob && song.size > RESUMABLE_FROM_BYTES) {
      const request = { api: this.#api, headers, onUpload, signal };
      return withId(await submitInParts<AcceptedDocument>(song, form, request));
    }
    if (song instanceof Blob) form.append('file', song, (song as { name?: string }).name ?? 'song');
    else for (const [name, link] of Object.entries(song)) form.append(snakeName(name), link);
    const response = await upload({
      method: 'POST',
      url: new URL('stemify', this.#api),
      headers,
      body: form,
      bodyBytes: song instanceof Blob ? song.size : 0,
      onUpload,
      signal,
    });
    return withId(await read<AcceptedDocument>(await checked(response)));
  }

  /** @throws ServiceError JOB_NOT_FOUND */
  async job(id: string, options?: CallOptions): Promise<Job> {
    return withId(await this.#get<JobDocument>(`jobs/${id}`, options));
  }

  /** The newest jobs first; `nextCursor` is the `cursor` of the next page. */
  async jobs({ signal, ...query }: CallOptions & JobQuery = {}): Promise<{
    jobs: JobInList[];
    nextCursor: string | null;
  }> {
    const page = await this.#get<{ jobs: JobSummary[]; next_cursor: string | null }>(
      jobsPath(query),
      { signal },
    );
    return { jobs: page.jobs.map(withId), nextCursor: page.nextCursor };
  }

  /**
   * Cancels a job that has not ended; removes one that has, with its stems.
   *
   * @throws ServiceError JOB_NOT_FOUND
   */
  async remove(id: string, { signal }: CallOptions = {}): Promise<void> {
    const url = new URL(`jobs/${id}`, this.#api);
    await this.#call(url, { method: 'DELETE', signal }, () => Promise.resolve());
  }

  /**
   * The state of a job and each change of it, to its end. A lost connection, also one that has
   * died without an error, is opened again and goes on after the last update.
   *
   * @throws ServiceError JOB_NOT_FOUND; SERVICE_UNREACHABLE after many tries; `signal.reason` when
   * aborted.
   */
  async *events(
    id: string,
    { lastEventId, signal }: EventOptions = {},
  ): AsyncGenerator<JobUpdate, void, undefined> {
    let last = lastEventId;
    let retryMs = RETRY_MS;
    let silenceMs = SILENCE_MS;
    for (let tries = 1; ; tries++) {
      const silence = new Silence(silenceMs);
      const signals = [silence.signal, ...(signal ? [signal] : [])];
      try {
        const url = new URL(`jobs/${id}/events`, this.#api);
        const response = await this.#fetch(url, {
          headers: last === undefined ? {} : { 'Last-Event-ID': last },
          signal: AbortSignal.any(signals),
        });
        if (response.status === 204 || !response.body) return;
        const messages = messagesOf(response.body, {
          onBytes() {
            tries = 0;
            silence.broken();
          },
          onRetry: (delayMs) => (retryMs = delayMs),
          onKeepAlive(intervalMs) {
            silenceMs = INTERVALS_OF_SILENCE * intervalMs;
            silence.broken(silenceMs);
          },
        });
        for await (const message of messages) {
          last = message.id;
          silence.end();
          yield camelCase(message);
          silence.broken();
          if (message.event !== 'progress') return;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof ServiceError && !(isTransient(error) && tries < MAX_TRIES))
          throw error;
      } finally {
        silence.end();
      }
      await sleep(retryMs, signal);
    }
  }

  models(options?: CallOptions): Promise<ModelList> {
    return this.#get<ModelListDocument>('models', options);
  }

  health(options?: CallOptions): Promise<Health> {
    return this.#get<HealthDocument>('health', options);
  }

  /**
   * A chunk of a stem as FLAC: `playback.chunkFrames` frames, whose samples are `playback.scale` times
   * those of the stem.
   *
   * @throws ServiceError CHUNK_NOT_READY; CHUNK_NOT_FOUND when there is none, or none any more: then
   * the job's document has another `generation`.
   */
  async chunk(
    playback: Playback,
    stem: string,
    number: number,
    { signal }: CallOptions = {},
  ): Promise<ArrayBuffer> {
    const path = stemOf(playback, stem).chunkUrl.replace('{n}', String(number));
    return this.#call(this.url(path), { signal }, (response) => response.arrayBuffer());
  }

  /** What is there of a stem's waveform, from pixel `from` on. @throws ServiceError as {@link chunk} */
  async peaks(
    playback: Playback,
    stem: string,
    { from = 0, signal }: CallOptions & { from?: number } = {},
  ): Promise<Peaks> {
    const url = this.url(stemOf(playback, stem).peaksUrl);
    url.searchParams.set('from', String(from));
    url.searchParams.set('generation', String(playback.generation));
    const headers = { Accept: 'application/octet-stream' };
    return readPeaks(
      await this.#call(url, { headers, signal }, (response) => response.arrayBuffer()),
    );
  }

  /** The URL of a path in a document, such as that of a stem. */
  url(path: string): URL {
    return new URL(path, this.#api);
  }

  #get<T>(path: string, options: CallOptions = {}): Promise<CamelCase<T>> {
    return this.#call(new URL(path, this.#api), options, (response) => read<T>(response));
  }

  #call<T>(url: URL, request: Request, take: (response: Response) => Promise<T>): Promise<T> {
    return ask(url, this.#withKey(request), take);
  }

  #fetch(url: URL, request: Request): Promise<Response> {
    return send(url, this.#withKey(request));
  }

  #withKey({ headers, ...request }: Request): Request {
    return { ...request, headers: { ...this.#headers, ...headers } };
  }
}

function stemOf(playback: Playback, stem: string): Playback['stems'][string] {
  const found = Object.hasOwn(playback.stems, stem) ? playback.stems[stem] : undefined;
  if (found) return found;
  throw new ServiceError('STEM_NOT_FOUND', `The job has no stem ${JSON.stringify(stem)}`);
}

/** What comes on a stream of events besides messages. */
interface StreamListener {
  onBytes: () => void;
  /** The service says how long to wait before the stream is opened again. */
  onRetry: (delayMs: number) => void;
  /** The service says how often it sends something at least. */
  onKeepAlive: (intervalMs: number) => void;
}

/** Reads with a reader: Safari cannot iterate over a stream. */
async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  { onBytes, onRetry, onKeepAlive }: StreamListener,
): AsyncGenerator<JobMessage, void, undefined> {
  const onComment = (text: string): void => {
    const interval = /^ ?keep-alive (\d+)$/.exec(text)?.[1];
    if (interval !== undefined) onKeepAlive(Number(interval));
  };
  const reader = body
    .pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(bytes, controller) {
          onBytes();
          controller.enqueue(bytes);
        },
      }),
    )
    // The types of browsers and of Node.js do not agree on what it takes.
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(new EventSourceParserStream({ onRetry, onComment }))
    .getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      yield JSON.parse(next.value.data) as JobMessage;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
