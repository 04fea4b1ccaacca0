/**
 * The checksums of files for which none is published: later pulls must find what the first one found.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { OxboardError } from '../errors.js';

const recordSchema = z.record(
  z.string(),
  z.object({ sha256: z.string(), size: z.int(), from: z.string(), at: z.string() }),
);

/**
 * What a file's checksum was compared with: the published one, which the catalogue has; the one that
 * its host named; the one that an earlier pull recorded; or nothing.
 */
export type Check = 'published' | 'announced' | 'recorded' | 'none';

/** The record of one model. */
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
   * Compares a file's checksum with the recorded one.
   *
   * @param announced whether its host named this checksum.
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

  /** @param from where the files came from, for messages. */
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
