/**
 * SHA-256 of files and texts.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** SHA-256 of a file's bytes, in hex. @throws the file system's error; `signal.reason` */
export async function sha256OfFile(
  file: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<string> {
  signal?.throwIfAborted();
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return hash.digest('hex');
}

/** SHA-256 of a text (as UTF-8) or of bytes, in hex. */
export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');
