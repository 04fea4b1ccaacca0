/**
 * Checksums that nobody published: what the first pull found is what later ones must find.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { OxboardError } from '../errors.js';

const recordSchema = z.record(
  z.string(),
  z.object({ sha256: z.string(), size: z.int(), from: z.string(), at: z.string() }),
);

/**
 * With what a file's checksum was compared: the published one that this version knows, the one that
 * its host named, the one that an earlier pull recorded, or none.
 */
export type Check = 'published' | 'announced' | 'recorded' | 'none';

/** The record of one model; `file` is its place on the disk. */
export class ChecksumRecord {
  readonly #file: string;
  readonly #known: z.output<typeof recordSchema>;

  private constructor(file: string, known: z.output<typeof recordSchema>) {
    this.#file = file;
    this.#known = known;
  }

  static async read(file: string): Promise<ChecksumRecord> {
    try {
      return new ChecksumRecord(file, recordSchema.parse(JSON.parse(await readFile(file, 'utf8'))));
    } catch {
      return new ChecksumRecord(file, {});
    }
  }

  /**
   * Compares a file's checksum with what was recorded.
   *
   * @param announced whether its host vouches for it.
   * @throws OxboardError DOWNLOAD_CORRUPT
   */
  check(file: string, sha256: string, announced: boolean): Check {
    const known = this.#known[file];
    if (known && known.sha256 !== sha256) {
      throw new OxboardError(
        'DOWNLOAD_CORRUPT',
        `${file} differs from the one pulled from ${known.from} on ${known.at.slice(0, 10)}. If the ` +
          `publisher has replaced it, delete ${this.#file} and run the command again`,
      );
    }
    if (announced) return 'announced';
    return known ? 'recorded' : 'none';
  }

  /** @param from where the files came from, for people. */
  async add(
    files: readonly { file: string; sha256: string; size: number }[],
    from: string,
  ): Promise<void> {
    if (files.length === 0) return;
    for (const { file, sha256, size } of files) {
      this.#known[file] ??= { sha256, size, from, at: new Date().toISOString() };
    }
    const draft = `${this.#file}.partial`;
    await writeFile(draft, `${JSON.stringify(this.#known, undefined, 2)}\n`);
    await rename(draft, this.#file);
  }
}
