/**
 * A download that is not finished: its bytes in `<file>.partial`, and in `<file>.partial.json` which
 * version of the remote file they belong to. It gets its own name only when it is complete.
 */
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { diskError, type DiskPlace } from '../lib/disk.js';
import { sha256OfFile } from '../lib/hash.js';

/** A file that was downloaded and compared with the expected checksum, where there is one. */
export interface Downloaded {
  /** Bytes. */
  size: number;
  sha256: string;
  /** Whether the host itself named the checksum. */
  announced: boolean;
}
const downloadedSchema = z.object({ size: z.int(), sha256: z.string(), announced: z.boolean() });

const versionSchema = z.object({
  url: z.string(),
  /** For If-Range: a strong ETag, or a date. */
  validator: z.string().optional(),
  /** Bytes of the whole file. */
  total: z.int().min(0).optional(),
  /** SHA-256 that the host named. */
  announced: z.string().optional(),
});
/** The version of the remote file that the partial file belongs to. */
export type Version = z.output<typeof versionSchema>;

/** Its methods throw OxboardError DISK_FULL and OUTPUT_UNWRITABLE. */
export class PartialFile {
  readonly path: string;
  readonly #note: string;
  readonly #doneNote: string;

  /** @param url for display, of the remote file: bytes of another one are not used. */
  constructor(
    readonly file: string,
    readonly url: string,
    readonly place: DiskPlace,
  ) {
    this.path = `${file}.partial`;
    this.#note = `${this.path}.json`;
    this.#doneNote = `${file}.json`;
  }

  get folder(): string {
    return dirname(this.file);
  }

  /** Bytes that have arrived. */
  async size(): Promise<number> {
    return (await stat(this.path).catch(() => undefined))?.size ?? 0;
  }

  /** Undefined when the bytes come from another URL, or the note is damaged. */
  async version(): Promise<Version | undefined> {
    try {
      const version = versionSchema.parse(JSON.parse(await readFile(this.#note, 'utf8')));
      return version.url === this.url ? version : undefined;
    } catch {
      return undefined;
    }
  }

  /** Removes the bytes, and begins anew with those of `version`. */
  async restart(version: Omit<Version, 'url'>): Promise<void> {
    await this.#write(async () => {
      await rm(this.path, { force: true });
      await writeFile(this.#note, JSON.stringify({ ...version, url: this.url }));
      await writeFile(this.path, '');
    });
  }

  async append(): Promise<{ write: (bytes: Buffer) => Promise<void>; close: () => Promise<void> }> {
    const handle = await this.#write(() => open(this.path, 'a'));
    return {
      write: (bytes) => this.#write(() => handle.appendFile(bytes)),
      close: () => handle.close(),
    };
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.#note, { force: true });
  }

  /** Gives the file its own name. */
  async complete(result: Downloaded): Promise<void> {
    await this.#write(async () => {
      await writeFile(this.#doneNote, JSON.stringify(result));
      await rename(this.path, this.file);
    });
    await rm(this.#note, { force: true });
  }

  /** The file as an earlier download completed it; undefined unless it is unchanged. */
  async completed(signal: AbortSignal): Promise<Downloaded | undefined> {
    try {
      const note = downloadedSchema.parse(JSON.parse(await readFile(this.#doneNote, 'utf8')));
      return (await sha256OfFile(this.file, { signal })) === note.sha256 ? note : undefined;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw diskError(error, this.place);
    }
  }
}
