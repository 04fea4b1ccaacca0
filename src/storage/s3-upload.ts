/**
 * What is put into a bucket: in one request, or a large file in parts that are in memory a few at a time.
 */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { ByteRange } from './storage.js';

/** Bytes. */
const PART_SIZE = 8 << 20;
const PARTS_AT_ONCE = 3;
/** S3 takes 10 000. */
const MOST_PARTS = 9_000;

export interface S3Object {
  Bucket: string;
  Key: string;
}

/** @throws what the SDK throws. */
export async function putBuffer(
  client: S3Client,
  object: S3Object,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const command = new PutObjectCommand({ ...object, Body: bytes, ContentLength: bytes.length });
  await client.send(command, signal ? { abortSignal: signal } : {});
}

export interface FileToSend {
  file: string;
  /** The bytes that are sent; by default all. */
  range: Partial<ByteRange>;
  /** Runs what speaks to the store, whose failures are others than those of the file. */
  ask: (work: () => Promise<void>) => Promise<void>;
  signal: AbortSignal | undefined;
}

/** @throws what reading the file throws, and what `ask` does. */
export async function sendFile(
  client: S3Client,
  object: S3Object,
  { file, range, ask, signal }: FileToSend,
): Promise<void> {
  const { start = 0, end = Infinity } = range;
  const handle = await open(file);
  try {
    const size = Math.min(end + 1, (await handle.stat()).size) - start;
    const body = handle.createReadStream({ start, end, autoClose: false });
    try {
      if (size > PART_SIZE) {
        await ask(() => sendParts(client, object, { body, size }, signal));
      } else {
        const bytes = await buffer(body);
        await ask(() => putBuffer(client, object, bytes, signal));
      }
    } finally {
      body.destroy();
    }
  } finally {
    await handle.close();
  }
}

async function sendParts(
  client: S3Client,
  object: S3Object,
  { body, size }: { body: Readable; size: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const upload = new Upload({
    client,
    params: { ...object, Body: body, ContentLength: size },
    partSize: Math.max(PART_SIZE, Math.ceil(size / MOST_PARTS)),
    queueSize: PARTS_AT_ONCE,
  });
  const abort = () => void upload.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await upload.done();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
