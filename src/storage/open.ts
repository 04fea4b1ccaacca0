import { importWithPackages } from '../lib/optional-packages.js';
import { FileStorage } from './file-storage.js';
import { placeOf, type S3Place, type StorageConfig } from './place.js';
import { resumableFolder, type ResumableStore } from './resumable.js';
import type { Storage } from './storage.js';

export type { StorageConfig };

/**
 * The storage that the environment names, made where it is not there yet.
 *
 * @throws OxboardError INVALID_ENVIRONMENT, PACKAGE_MISSING, STORAGE_UNAVAILABLE, DISK_FULL
 */
export async function openStorage(config: StorageConfig): Promise<Storage> {
  const place = placeOf(config);
  if ('folder' in place) return FileStorage.open(place.folder);
  // The SDK is large, and nobody else needs it.
  const { S3Storage } = await importWithPackages(
    '@aws-sdk',
    'A bucket as STORAGE_URL',
    () => import('./s3-storage.js'),
  );
  return S3Storage.open(place.s3);
}

/** Of the protocol, besides its core. The length of a song has to be known first: it is bounded. */
const EXTENSIONS = ['creation', 'creation-with-upload', 'termination', 'expiration'];

/**
 * Where songs that come in parts lie in that storage, which has been opened before.
 *
 * @param ttlMs after which an upload takes nothing more.
 * @throws OxboardError INVALID_ENVIRONMENT, PACKAGE_MISSING
 */
export async function openResumableStore(
  config: StorageConfig,
  ttlMs: number,
): Promise<ResumableStore> {
  const place = placeOf(config);
  const opened =
    'folder' in place ? resumableFolder(place.folder, ttlMs) : await openBucket(place.s3, ttlMs);
  opened.store.extensions = EXTENSIONS;
  return opened;
}

async function openBucket(place: S3Place, ttlMs: number): Promise<ResumableStore> {
  const { resumableBucket } = await importWithPackages(
    '@tus',
    'A bucket as STORAGE_URL',
    () => import('./s3-resumable.js'),
  );
  return resumableBucket(place, ttlMs);
}
