/**
 * Songs that come in parts into a bucket: each becomes a multipart upload.
 */
import { S3Store, type MetadataValue } from '@tus/s3-store';
import { LRUCache } from 'lru-cache';
import { PATIENCE, s3ClientSettings } from './s3-client.js';
import { explainS3Error } from './s3-errors.js';
import type { S3Place } from './place.js';
import type { ResumableStore } from './resumable.js';

const SOCKETS = 512;
/**
 * Each is a file of up to 8 MiB in the folder for temporary files while it comes and is sent on. Slow
 * clients keep theirs for long, and should be in nobody's way.
 */
const PARTS_AT_ONCE = 1_000;
/** Uploads whose description is kept in memory. Others are asked for again. */
const KNOWN_UPLOADS = 1_000;

/** @param ttlMs after which an upload takes nothing more. */
export function resumableBucket(place: S3Place, ttlMs: number): ResumableStore {
  const known = new LRUCache<string, MetadataValue>({ max: KNOWN_UPLOADS });
  const store = new S3Store({
    s3ClientConfig: { ...s3ClientSettings(place, PATIENCE, SOCKETS), bucket: place.bucket },
    expirationPeriodInMilliseconds: ttlMs,
    maxConcurrentPartUploads: PARTS_AT_ONCE,
    // Not every store has tags, and we remove what has expired.
    useTags: false,
    cache: {
      get: (name) => Promise.resolve(known.get(name)),
      set: (name, upload) => Promise.resolve(void known.set(name, upload)),
      delete: (name) => Promise.resolve(void known.delete(name)),
    },
  });
  return {
    store,
    nameOf: (key) => (place.prefix === '' ? key : `${place.prefix}/${key}`),
    // A bucket does not tell how much room it has.
    requireSpace: () => Promise.resolve(),
    explain: (error) => explainS3Error(error, place.bucket),
  };
}
