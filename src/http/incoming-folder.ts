/**
 * Where uploads are until they are known to be songs: a folder of this process, on the disk of
 * DATA_DIR.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { diskError, requireFreeSpace } from '../lib/disk.js';
import { makeProcessFolder, removeAbandonedFolders } from '../lib/process-folder.js';

export interface IncomingFile {
  path: string;
  sizeBytes: number;
  sha256: string;
}

const PLACE = { name: 'DATA_DIR', advice: 'Free some space' };

/** An upload that is not written to for so long was left by a container that was killed. */
const ABANDONED_SECONDS = 86_400;
/** Leftovers are looked for when a song comes, but not more often. */
const CLEANING_INTERVAL_MS = 3_600_000;

export class IncomingFolder {
  readonly #parent: string;
  #folder: Promise<string> | undefined;
  #cleanedAt = -Infinity;

  constructor(dataDir: string) {
    this.#parent = path.join(dataDir, 'incoming');
  }

  /** @throws OxboardError DISK_FULL */
  async requireSpace(bytes: number): Promise<void> {
    await requireFreeSpace(await this.#open(), bytes, PLACE);
  }

  /**
   * Writes a stream to a file, hashing it on the way; nothing is left when it fails.
   *
   * @throws OxboardError DISK_FULL, OUTPUT_UNWRITABLE; the stream's error.
   */
  async receive(stream: Readable): Promise<IncomingFile> {
    const file = path.join(await this.#open(), randomUUID());
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      const handle = await open(file, 'wx');
      try {
        for await (const chunk of stream as AsyncIterable<Uint8Array>) {
          hash.update(chunk);
          await handle.writeFile(chunk);
          sizeBytes += chunk.length;
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      await rm(file, { force: true });
      throw diskError(error, PLACE);
    }
    return { path: file, sizeBytes, sha256: hash.digest('hex') };
  }

  /** Removes the folder, when the process ends. */
  async remove(): Promise<void> {
    const folder = await this.#folder?.catch(() => undefined);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    this.#folder = undefined;
  }

  async #open(): Promise<string> {
    this.#folder ??= this.#make();
    try {
      const folder = await this.#folder;
      await this.#removeLeftovers(folder);
      return folder;
    } catch (error) {
      this.#folder = undefined;
      throw diskError(error, PLACE);
    }
  }

  async #make(): Promise<string> {
    await mkdir(this.#parent, { recursive: true });
    return makeProcessFolder(this.#parent);
  }

  async #removeLeftovers(folder: string): Promise<void> {
    if (Date.now() - this.#cleanedAt < CLEANING_INTERVAL_MS) return;
    this.#cleanedAt = Date.now();
    await removeAbandonedFolders(this.#parent, {
      isOpen: (other) => other === folder,
      foreignSeconds: ABANDONED_SECONDS,
    });
  }
}
