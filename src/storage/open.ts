import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { OxboardError } from '../errors.js';
import { FileStorage } from './file-storage.js';
import type { Storage } from './storage.js';

export interface StorageConfig {
  /** Undefined: a folder in `dataDir`. */
  storageUrl: string | undefined;
  dataDir: string;
}

/**
 * The storage that the environment names, made where it is not there yet.
 *
 * @throws OxboardError INVALID_ENVIRONMENT, STORAGE_UNAVAILABLE, DISK_FULL
 */
export async function openStorage({ storageUrl, dataDir }: StorageConfig): Promise<Storage> {
  return FileStorage.open(storageUrl ? folderOf(storageUrl) : path.join(dataDir, 'storage'));
}

function folderOf(storageUrl: string): string {
  try {
    return fileURLToPath(storageUrl);
  } catch (cause) {
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      `Expected URL of a folder, such as file:///var/lib/oxboard, for the environment variable ` +
        `STORAGE_URL but received "${storageUrl}"`,
      { cause },
    );
  }
}
