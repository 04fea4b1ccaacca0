/**
 * A bucket of an object store as storage: Amazon S3, or what speaks its protocol. An upload becomes an
 * object when its last byte is there, so nothing unfinished is ever seen.
 */
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  type S3Client,
  type GetObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import pLimit from 'p-limit';
import { OxboardError } from '../errors.js';
import { checkKey, checkPrefix, isKey } from './keys.js';
import type { S3Place } from './place.js';
import { resumingStream } from './resuming-stream.js';
import { createS3Client, PATIENCE, type S3Patience } from './s3-client.js';
import { explainS3Error, isAbsent } from './s3-errors.js';
import { putBuffer, sendFile, type S3Object } from './s3-upload.js';
import {
  ObjectNotFound,
  type ByteRange,
  type SignedUrlOptions,
  type Storage,
  type StoredObject,
} from './storage.js';

/** Files that a process sends at a time; others wait. It bounds the memory. */
const FILES_AT_ONCE = 4;
const REMOVED_AT_ONCE = 1_000;

/** Those who read slowly hold their connections, and keep nobody from anything but reading. */
const READING_SOCKETS = 512;
const WORKING_SOCKETS = 64;

/** Age of an upload whose process was killed. */
const ABANDONED_MS = 86_400_000;
/** Not a key of ours: no list shows it. */
const TRIAL = '.oxboard-check';

export class S3Storage implements Storage {
  readonly #place: S3Place;
  readonly #client: S3Client;
  readonly #reader: S3Client;
  readonly #sending = pLimit(FILES_AT_ONCE);
  #checking: Promise<void> | undefined;

  private constructor(place: S3Place, patience: S3Patience) {
    this.#place = place;
    this.#client = createS3Client(place, patience, WORKING_SOCKETS);
    this.#reader = createS3Client(place, patience, READING_SOCKETS);
  }

  /**
   * Tries whatever it will have to do, and removes what killed processes left.
   *
   * @throws OxboardError STORAGE_UNAVAILABLE, DISK_FULL
   */
  static async open(place: S3Place, patience = PATIENCE): Promise<S3Storage> {
    const storage = new S3Storage(place, patience);
    await storage.#try();
    await storage.#abortUploads('', Date.now() - ABANDONED_MS);
    return storage;
  }

  async putFile(key: string, file: string, signal?: AbortSignal): Promise<void> {
    await this.putCopy(key, file, {}, signal);
    await rm(file, { force: true });
  }

  async putCopy(
    key: string,
    file: string,
    range: Partial<ByteRange> = {},
    signal?: AbortSignal,
  ): Promise<void> {
    const object = this.#object(this.#keyOf(key));
    signal?.throwIfAborted();
    await this.#sending(async () => {
      signal?.throwIfAborted();
      const ask = (work: () => Promise<void>) => this.#ask(work, signal);
      await sendFile(this.#client, object, { file, range, ask, signal });
    });
  }

  async putBytes(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const place = this.#keyOf(key);
    await this.#ask(() => putBuffer(this.#client, this.#object(place), bytes, signal), signal);
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    const place = this.#keyOf(key);
    try {
      const command = new HeadObjectCommand(this.#object(place));
      const { ContentLength = 0, LastModified } = await this.#client.send(command);
      return { key, sizeBytes: ContentLength, modifiedAt: LastModified ?? new Date(0) };
    } catch (error) {
      if (!isAbsent(error)) throw this.#explain(error);
      // The answer has no body to tell whether the object is absent, or the bucket.
      await this.#ask(() =>
        this.#client.send(new HeadBucketCommand({ Bucket: this.#place.bucket })),
      );
      return undefined;
    }
  }

  async read(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable> {
    const place = this.#keyOf(key);
    const { start = 0, end } = range ?? {};
    const answer = await this.#get(key, place, { start, end, signal });
    const { ContentLength = 0, ETag } = answer;
    return resumingStream({
      body: answer.Body as Readable,
      length: ContentLength,
      reopen: async (at, closed) => {
        const rest = { start: start + at, end: start + ContentLength - 1, ETag, signal: closed };
        return (await this.#get(key, place, rest)).Body as Readable;
      },
      explain: (error) => this.#explain(error),
      signal,
    });
  }

  async *list(prefix: string): AsyncGenerator<StoredObject, void, undefined> {
    checkPrefix(prefix);
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.#place.bucket, Prefix: this.#beginning(prefix) },
    );
    const length = this.#beginning('').length;
    for (;;) {
      const { done, value } = await this.#ask(() => pages.next());
      if (done ?? true) return;
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of value.Contents ?? []) {
        const key = Key.slice(length);
        if (isKey(key)) yield { key, sizeBytes: Size, modifiedAt: LastModified };
      }
    }
  }

  async remove(key: string): Promise<void> {
    const place = this.#keyOf(key);
    await this.#ask(() => this.#delete(place));
  }

  async removeAll(prefix: string): Promise<void> {
    checkKey(prefix);
    let keys: string[] = [];
    for await (const { key } of this.list(`${prefix}/`)) {
      keys.push(key);
      if (keys.length < REMOVED_AT_ONCE) continue;
      await this.#deleteAll(keys);
      keys = [];
    }
    if (keys.length > 0) await this.#deleteAll(keys);
    await this.#abortUploads(`${prefix}/`, Infinity);
  }

  /** Those who ask at the same time share the answer. */
  async check(): Promise<void> {
    const trial = this.#object(this.#beginning(TRIAL));
    this.#checking ??= this.#ask(() => putBuffer(this.#client, trial, new Uint8Array())).finally(
      () => (this.#checking = undefined),
    );
    await this.#checking;
  }

  async signedUrl(
    key: string,
    { contentType, contentDisposition, cacheControl, seconds }: SignedUrlOptions,
  ): Promise<string> {
    const command = new GetObjectCommand({
      ...this.#object(this.#keyOf(key)),
      ResponseContentType: contentType,
      ResponseContentDisposition: contentDisposition,
      ResponseCacheControl: cacheControl,
    });
    return this.#ask(() => getSignedUrl(this.#reader, command, { expiresIn: seconds }));
  }

  /** @throws ObjectNotFound */
  async #get(
    key: string,
    place: string,
    options: {
      start: number;
      end: number | undefined;
      /** Of the object that was begun: another that took its place is not gone on with. */
      ETag?: string | undefined;
      signal: AbortSignal | undefined;
    },
  ): Promise<GetObjectCommandOutput> {
    const { start, end, ETag, signal } = options;
    const whole = start === 0 && end === undefined;
    const command = new GetObjectCommand({
      ...this.#object(place),
      ...(!whole && { Range: `bytes=${String(start)}-${String(end ?? '')}` }),
      ...(ETag !== undefined && { IfMatch: ETag }),
    });
    try {
      return await this.#reader.send(command, abortable(signal));
    } catch (error) {
      signal?.throwIfAborted();
      if (isAbsent(error)) throw new ObjectNotFound(key);
      throw this.#explain(error);
    }
  }

  #delete(place: string) {
    const command = new DeleteObjectCommand(this.#object(place));
    return this.#client.send(command);
  }

  async #deleteAll(keys: readonly string[]): Promise<void> {
    const { Errors = [] } = await this.#ask(() =>
      this.#client.send(
        new DeleteObjectsCommand({
          Bucket: this.#place.bucket,
          Delete: { Objects: keys.map((key) => ({ Key: this.#keyOf(key) })), Quiet: true },
        }),
      ),
    );
    const [failed] = Errors;
    if (!failed) return;
    const { Code = 'unknown', Message = '' } = failed;
    throw this.#explain(Object.assign(new Error(Message), { name: Code }));
  }

  /** A policy that lacks something is to be known at the start, not with the first job. */
  async #try(): Promise<void> {
    await this.check();
    const answer = await this.#ask(() =>
      this.#reader.send(new GetObjectCommand(this.#object(this.#beginning(TRIAL)))),
    ).catch((error: unknown) => {
      // Another process that starts has just removed it.
      if (error instanceof OxboardError && isAbsent(error.cause)) return undefined;
      throw error;
    });
    (answer?.Body as Readable | undefined)?.destroy();
    for await (const { key } of this.list('')) if (isKey(key)) break;
    await this.#ask(() => this.#delete(this.#beginning(TRIAL)));
  }

  /**
   * Ends uploads that were begun until then and not completed: the store keeps their parts, unseen and
   * paid for. Not every store or policy lets us know.
   */
  async #abortUploads(prefix: string, begunUntil: number): Promise<void> {
    const { bucket: Bucket } = this.#place;
    try {
      const { Uploads = [] } = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket, Prefix: this.#beginning(prefix) }),
      );
      for (const { Key, UploadId, Initiated } of Uploads) {
        if ((Initiated?.getTime() ?? Infinity) > begunUntil) continue;
        await this.#client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      }
    } catch {
      return;
    }
  }

  #object(place: string): S3Object {
    return { Bucket: this.#place.bucket, Key: place };
  }

  #beginning(prefix: string): string {
    return this.#place.prefix === '' ? prefix : `${this.#place.prefix}/${prefix}`;
  }

  #keyOf(key: string): string {
    checkKey(key);
    return this.#beginning(key);
  }

  async #ask<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): unknown {
    return error instanceof ObjectNotFound ? error : explainS3Error(error, this.#place.bucket);
  }
}

const abortable = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});
