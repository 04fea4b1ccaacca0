import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { OxboardError } from '../errors.js';
import { importWithPackages } from '../lib/optional-packages.js';
import { redactUrl } from '../lib/redact-url.js';
import { FileStorage } from './file-storage.js';
import type { Storage } from './storage.js';

export interface StorageConfig {
  /** Undefined: a folder in `dataDir`. */
  storageUrl: string | undefined;
  dataDir: string;
  /** Of an `s3:` storage; without it, Amazon's. */
  s3Endpoint?: string | undefined;
  /** Of an `s3:` storage; without it, what the AWS SDK finds. */
  s3Region?: string | undefined;
}

/**
 * The storage that the environment names, made where it is not there yet.
 *
 * @throws OxboardError INVALID_ENVIRONMENT, PACKAGE_MISSING, STORAGE_UNAVAILABLE, DISK_FULL
 */
export async function openStorage(config: StorageConfig): Promise<Storage> {
  const { storageUrl, dataDir } = config;
  if (storageUrl === undefined) return FileStorage.open(path.join(dataDir, 'storage'));
  if (!storageUrl.startsWith('s3:')) return FileStorage.open(folderOf(storageUrl));
  // The SDK is large, and nobody else needs it.
  const { S3Storage } = await importWithPackages(
    '@aws-sdk',
    'A bucket as STORAGE_URL',
    () => import('./s3-storage.js'),
  );
  const { hostname, pathname } = new URL(storageUrl);
  return S3Storage.open({
    bucket: hostname,
    prefix: pathname.replace(/^\/|\/$/g, ''),
    endpoint: config.s3Endpoint,
    region: config.s3Region,
  });
}

function folderOf(storageUrl: string): string {
  try {
    return fileURLToPath(storageUrl);
  } catch (cause) {
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      `Expected URL of a folder, such as file:///var/lib/oxboard, for the environment variable ` +
        `STORAGE_URL but received "${redactUrl(storageUrl)}"`,
      { cause },
    );
  }
}
