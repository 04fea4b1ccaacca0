/**
 * Where a song lies that comes in parts: a store of @tus/server in the same place as the storage. As
 * soon as the song is whole, it is an object of the storage.
 */
import { FileStore } from '@tus/file-store';
import type { DataStore } from '@tus/server';
import { OxboardError } from '../errors.js';
import { requireFreeSpace } from '../lib/disk.js';

export interface ResumableStore {
  store: DataStore;
  /** The name in the store of what will be the object of that key in the storage. */
  nameOf(key: string): string;
  /** @throws OxboardError DISK_FULL */
  requireSpace(bytes: number): Promise<void>;
  /** Turns what the store throws into DISK_FULL or STORAGE_UNAVAILABLE; our own errors pass unchanged. */
  explain(error: unknown): unknown;
}

/** @param folder of the storage. @param ttlMs after which an upload takes nothing more. */
export const resumableFolder = (folder: string, ttlMs: number): ResumableStore => ({
  store: new FileStore({ directory: folder, expirationPeriodInMilliseconds: ttlMs }),
  nameOf: (key) => key,
  requireSpace: (bytes) =>
    requireFreeSpace(folder, bytes, {
      name: 'the storage',
      advice: 'Free some space, or set STORAGE_URL',
    }),
  explain: (error) =>
    error instanceof OxboardError
      ? error
      : new OxboardError(
          'STORAGE_UNAVAILABLE',
          'The upload cannot be written to the storage. Check the folder of STORAGE_URL or DATA_DIR',
          { cause: error },
        ),
});
