/**
 * Where the storage is, as the environment names it.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { OxboardError } from '../errors.js';
import { redactUrl } from '../lib/redact-url.js';

export interface StorageConfig {
  /** Undefined: a folder in `dataDir`. */
  storageUrl: string | undefined;
  dataDir: string;
  /** Of an `s3:` storage; without it, Amazon's. */
  s3Endpoint?: string | undefined;
  /** Of an `s3:` storage; without it, what the AWS SDK finds. */
  s3Region?: string | undefined;
}

export interface S3Place {
  bucket: string;
  /** Beginning of all keys, without a slash at its end; empty: the whole bucket is ours. */
  prefix: string;
  /** URL of a store that is not Amazon's. */
  endpoint: string | undefined;
  /** Without it, what the AWS SDK finds; some stores have none. */
  region: string | undefined;
}

/** @throws OxboardError INVALID_ENVIRONMENT */
export function placeOf(config: StorageConfig): { folder: string } | { s3: S3Place } {
  const { storageUrl, dataDir } = config;
  if (storageUrl === undefined) return { folder: path.join(dataDir, 'storage') };
  if (!storageUrl.startsWith('s3:')) return { folder: folderOf(storageUrl) };
  const { hostname, pathname } = new URL(storageUrl);
  return {
    s3: {
      bucket: hostname,
      prefix: pathname.replace(/^\/|\/$/g, ''),
      endpoint: config.s3Endpoint,
      region: config.s3Region,
    },
  };
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
