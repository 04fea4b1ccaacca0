/**
 * Where uploads lie until they are known to be songs: a folder of this process, on the disk of
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

export class IncomingFolder {
  readonly #parent: string;
  #folder: Promise<string> | undefined;

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

  /** Goes with the process. */
  async remove(): Promise<void> {
    const folder = await this.#folder?.catch(() => undefined);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    this.#folder = undefined;
  }

  async #open(): Promise<string> {
    this.#folder ??= this.#make();
    try {
      return await this.#folder;
    } catch (error) {
      this.#folder = undefined;
      throw diskError(error, PLACE);
    }
  }

  async #make(): Promise<string> {
    await mkdir(this.#parent, { recursive: true });
    const folder = await makeProcessFolder(this.#parent);
    await removeAbandonedFolders(this.#parent, { isOpen: (other) => other === folder });
    return folder;
  }
}
