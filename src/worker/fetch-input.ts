/** The song of a job as a local file, with the bytes that were uploaded. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { OxboardError } from '../errors.js';
import type { Storage } from '../storage/storage.js';

/**
 * Copies an object of the storage into `directory`. Decoders read the copy: to them a storage that
 * fails in the middle looks like a song that is damaged, or ends early.
 *
 * @param sha256 of the object, in hexadecimal; null: not known.
 * @returns the path of the copy.
 * @throws ObjectNotFound; OxboardError STORAGE_UNAVAILABLE, INPUT_UNREADABLE when the object has other
 * bytes; `signal.reason`.
 */
export async function fetchInput(
  storage: Storage,
  { key, sha256 }: { key: string; sha256: string | null },
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const file = path.join(directory, 'song');
  const hash = createHash('sha256');
  await pipeline(
    await storage.read(key, undefined, signal),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(file),
    { signal },
  );
  if (sha256 !== null && hash.digest('hex') !== sha256) {
    throw new OxboardError('INPUT_UNREADABLE', 'The storage has other bytes than were uploaded');
  }
  return file;
}
