/**
 * Where uploads, checkpoints and stems live. API and workers of one service share one storage; it may
 * be a folder or an object store, so objects are whole (written once, read in ranges, never changed).
 */
import type { Readable } from 'node:stream';

export interface StoredObject {
  key: string;
  sizeBytes: number;
  modifiedAt: Date;
}

/** Bytes from `start` to `end`, both included. */
export interface ByteRange {
  start: number;
  end: number;
}

/** There is no such object, or no more. */
export class ObjectNotFound extends Error {
  override readonly name = 'ObjectNotFound';
  readonly code = 'ENOENT';

  constructor(readonly key: string) {
    super(`The storage has no object ${key}`);
  }
}

export interface SignedUrlOptions {
  /** Headers of the answer. */
  contentType: string;
  contentDisposition: string;
  cacheControl: string;
  /** Until it expires; at most a week. */
  seconds: number;
}

/**
 * Keys are paths of one or more safe names (letters, digits, `.`, `_`, `-`) between slashes, such as
 * `results/<id>/vocals.wav`; they are made by us, never by a client, and
 * no key is the beginning of another's path. What is put under a key that is taken replaces it.
 *
 * Every method throws OxboardError STORAGE_UNAVAILABLE when the storage does not answer or denies,
 * DISK_FULL when it has no room.
 */
export interface Storage {
  /**
   * Makes an object of a local file, which is gone afterwards. Nothing is to be seen of the object
   * before it is whole.
   */
  putFile(key: string, file: string, signal?: AbortSignal): Promise<void>;
  /** Makes an object of a local file, or of some of its bytes; the file stays as it is. */
  putCopy(
    key: string,
    file: string,
    range?: Partial<ByteRange>,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Makes a small object of bytes. */
  putBytes(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Undefined when there is no such object. */
  stat(key: string): Promise<StoredObject | undefined>;
  /**
   * Reads an object, or some of its bytes. A stream that was begun may fail when the object goes
   * meanwhile.
   *
   * @throws ObjectNotFound
   */
  read(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable>;
  /** Objects whose key begins with `prefix`, in the order of their keys. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Safe to repeat. */
  remove(key: string): Promise<void>;
  /** Removes all objects under `prefix/`. Safe to repeat. */
  removeAll(prefix: string): Promise<void>;
  /** Resolves when the storage can be written. */
  check(): Promise<void>;
  /**
   * A URL by which whoever has it reads the object, past us, as often and in as many ranges as they
   * like, until it expires. Not every storage has them; of an object that is not there it is made all
   * the same.
   */
  signedUrl?(key: string, options: SignedUrlOptions): Promise<string>;
}
