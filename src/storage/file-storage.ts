/**
 * A folder as storage. Objects are files; whatever is not whole lies in a hidden folder of the
 * process that makes it, on the same file system, so that it becomes an object by one rename.
 */
import { createWriteStream, type Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { diskError } from '../lib/disk.js';
import { OxboardError } from '../errors.js';
import { makeProcessFolder, removeAbandonedFolders } from '../lib/process-folder.js';
import { checkKey, checkPrefix } from './keys.js';
import { ObjectNotFound, type ByteRange, type Storage, type StoredObject } from './storage.js';

/** How often a folder may go, with its last object, between its making and the putting into it. */
const ATTEMPTS = 20;
/** Age of the temporaries of another machine that nobody writes any more. */
const ABANDONED_SECONDS = 86_400;

/** Of what is read at a time. */
const CHUNK_BYTES = 1 << 18;

const temporaries = new Set<string>();

export class FileStorage implements Storage {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Removes what killed processes left. @throws OxboardError STORAGE_UNAVAILABLE, DISK_FULL */
  static async open(folder: string): Promise<FileStorage> {
    const storage = new FileStorage(path.resolve(folder));
    await storage.check();
    await removeAbandonedFolders(storage.#root, {
      isOpen: (directory) => temporaries.has(directory),
      foreignSeconds: ABANDONED_SECONDS,
    });
    return storage;
  }

  async putFile(key: string, file: string, signal?: AbortSignal): Promise<void> {
    const place = this.#place(key);
    // What is wrong with the caller's file is not the storage's fault.
    await makeDurable(file);
    signal?.throwIfAborted();
    try {
      await this.#publish(file, place);
    } catch (error) {
      if (codeOf(error) !== 'EXDEV') throw this.#explain(error);
      await this.putCopy(key, file, {}, signal);
      await rm(file, { force: true });
    }
  }

  async putCopy(
    key: string,
    file: string,
    range?: Partial<ByteRange>,
    signal?: AbortSignal,
  ): Promise<void> {
    const place = this.#place(key);
    // What is wrong with the caller's file is not the storage's fault.
    const source = await open(file);
    try {
      signal?.throwIfAborted();
      await this.#throughTemporary(
        place,
        async (temporary) => {
          const bytes = source.createReadStream({ ...range, highWaterMark: CHUNK_BYTES });
          await pipeline(bytes, createWriteStream(temporary), { signal });
        },
        signal,
      );
    } finally {
      await source.close();
    }
  }

  async putBytes(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const place = this.#place(key);
    signal?.throwIfAborted();
    await this.#throughTemporary(
      place,
      (temporary) => writeFile(temporary, bytes, { signal }),
      signal,
    );
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    const status = await this.#absentAsUndefined(stat(this.#place(key)));
    return status?.isFile() ? describe(key, status) : undefined;
  }

  async read(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable> {
    const place = this.#place(key);
    signal?.throwIfAborted();
    const file = await this.#absentAsUndefined(open(place));
    if (!file) throw new ObjectNotFound(key);
    try {
      if (!(await file.stat()).isFile()) throw new ObjectNotFound(key);
      const stream = this.#explained(
        file.createReadStream({ ...range, highWaterMark: CHUNK_BYTES }),
      );
      return signal ? addAbortSignal(signal, stream) : stream;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async *list(prefix: string): AsyncGenerator<StoredObject, void, undefined> {
    checkPrefix(prefix);
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield* this.#walk(folder, prefix);
  }

  async remove(key: string): Promise<void> {
    const place = this.#place(key);
    await this.#absentAsUndefined(unlink(place));
    await this.#removeEmptyFolders(path.dirname(place));
  }

  async removeAll(prefix: string): Promise<void> {
    const place = this.#place(prefix);
    // Others may put into it meanwhile, which makes the removal of its folders fail.
    await rm(place, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 }).catch(
      (error: unknown) => {
        throw this.#explain(error);
      },
    );
    await this.#removeEmptyFolders(path.dirname(place));
  }

  async check(): Promise<void> {
    try {
      await mkdir(this.#root, { recursive: true });
      await this.#inTemporary((temporary) => writeFile(temporary, 'x'));
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The same bytes, with our errors. */
  #explained(source: Readable): Readable {
    const explain = (error: unknown) => this.#explain(error);
    const stream = Readable.from(
      (async function* () {
        try {
          yield* source;
        } catch (error) {
          throw explain(error);
        }
      })(),
      { objectMode: false },
    );
    return stream.once('close', () => source.destroy());
  }

  #place(key: string): string {
    checkKey(key);
    return path.join(this.#root, key);
  }

  async #throughTemporary(
    place: string,
    write: (temporary: string) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await this.#inTemporary(async (temporary) => {
        await write(temporary);
        await makeDurable(temporary);
        signal?.throwIfAborted();
        await this.#publish(temporary, place);
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#explain(error);
    }
  }

  async #inTemporary(work: (file: string) => Promise<void>): Promise<void> {
    const folder = await makeProcessFolder(this.#root);
    temporaries.add(folder);
    try {
      await work(path.join(folder, 'object'));
    } finally {
      await rm(folder, { recursive: true, force: true });
      temporaries.delete(folder);
    }
  }

  /** Moves a whole file to its place, while others may remove the folders that it empties. */
  async #publish(file: string, place: string): Promise<void> {
    const folder = path.dirname(place);
    for (let attempt = 1; ; attempt++) {
      try {
        await mkdir(folder, { recursive: true });
        await rename(file, place);
        break;
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
      }
    }
    await syncFolder(folder);
  }

  async #removeEmptyFolders(folder: string): Promise<void> {
    if (folder === this.#root) return;
    try {
      await rmdir(folder);
    } catch (error) {
      // Already gone, but those above may be empty; else something is in it.
      if (codeOf(error) !== 'ENOENT') return;
    }
    await this.#removeEmptyFolders(path.dirname(folder));
  }

  /** @param folder beginning of the keys in it: empty, or ending in a slash. */
  async *#walk(folder: string, prefix: string): AsyncGenerator<StoredObject, void, undefined> {
    const directory = path.join(this.#root, folder);
    const entries = await this.#absentAsUndefined(readdir(directory, { withFileTypes: true }));
    const keys = (entries ?? [])
      .filter((entry) => !entry.name.startsWith('.'))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`);
    // With its slash a folder stands where the keys in it stand among the others.
    for (const key of keys.sort(byCodeUnits)) {
      if (key.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#walk(key, prefix);
      } else if (key.startsWith(prefix)) {
        const status = await this.#absentAsUndefined(stat(path.join(this.#root, key)));
        if (status?.isFile()) yield describe(key, status);
      }
    }
  }

  /** What is no file, or lies below one, is no object, as long as there is a storage at all. */
  async #absentAsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      const absent = ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '');
      if (!absent || !(await isFolder(this.#root))) throw this.#explain(error);
      return undefined;
    }
  }

  #explain(error: unknown): unknown {
    const code = codeOf(error);
    if (error instanceof OxboardError || code === undefined) return error;
    const place = { name: 'the storage', advice: 'Free some space, or set STORAGE_URL' };
    const known = diskError(error, place);
    if (known instanceof OxboardError && known.code === 'DISK_FULL') return known;
    return new OxboardError(
      'STORAGE_UNAVAILABLE',
      `The storage cannot be used (${code}). Check the folder of STORAGE_URL or DATA_DIR`,
      { cause: error },
    );
  }
}

/**
 * A file that is renamed before its bytes are on the disk may be empty after a power failure. Its
 * time of change becomes that of the object.
 */
async function makeDurable(file: string): Promise<void> {
  const handle = await open(file);
  try {
    const now = new Date();
    await handle.utimes(now, now);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder last, on file systems that can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

const isFolder = (place: string): Promise<boolean> =>
  stat(place).then(
    (status) => status.isDirectory(),
    () => false,
  );

const describe = (key: string, { size, mtime }: Stats): StoredObject => ({
  key,
  sizeBytes: size,
  modifiedAt: mtime,
});

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : 1);
