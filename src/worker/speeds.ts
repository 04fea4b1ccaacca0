/**
 * How fast each model runs here, as measured on finished jobs. Estimates are made from it, so it is
 * kept in files: one for each model and runtime, so that workers that share the data folder never
 * overwrite what another has measured about another model.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pLimit from 'p-limit';
import { z } from 'zod';
import { sha256Hex } from '../lib/hash.js';

/** Weight of what is known when a job is added: about the last five jobs count. */
const MEMORY = 0.8;

/**
 * Seconds of audio and of work. They are sums, so that a short song, which is mostly padding, counts
 * as little as it is long.
 */
const sumsSchema = z.object({ audio: z.number().positive(), work: z.number().positive() });
type Sums = z.output<typeof sumsSchema>;

export class Speeds {
  readonly #directory: string;
  readonly #runtime: string;
  /** Each addition builds on the one before. */
  readonly #oneByOne = pLimit(1);

  /** @param runtime its signature: another device has other speeds. */
  constructor(dataDir: string, runtime: string) {
    this.#directory = path.join(dataDir, 'speeds');
    this.#runtime = runtime;
  }

  /** Seconds of audio per second of work, for a long song with default options. */
  async of(modelHash: string): Promise<number | null> {
    const sums = await this.#read(modelHash);
    return sums ? sums.audio / sums.work : null;
  }

  /**
   * Adds a job that was not interrupted.
   *
   * @param measured `work`: see workSeconds; `seconds`: from the decoding to the last encoded stem.
   */
  async add(modelHash: string, measured: { work: number; seconds: number }): Promise<void> {
    await this.#oneByOne(async () => {
      const { audio, work } = (await this.#read(modelHash)) ?? { audio: 0, work: 0 };
      await this.#write(modelHash, {
        audio: audio * MEMORY + measured.work,
        work: work * MEMORY + measured.seconds,
      });
    });
  }

  async #read(modelHash: string): Promise<Sums | undefined> {
    try {
      return sumsSchema.parse(JSON.parse(await readFile(this.#file(modelHash), 'utf8')));
    } catch {
      return undefined; // it is measured again
    }
  }

  async #write(modelHash: string, sums: Sums): Promise<void> {
    const file = this.#file(modelHash);
    const partial = `${file}.${randomUUID()}`;
    await mkdir(this.#directory, { recursive: true });
    try {
      await writeFile(partial, JSON.stringify(sums));
      await rename(partial, file);
    } finally {
      await rm(partial, { force: true });
    }
  }

  #file(modelHash: string): string {
    const key = sha256Hex(`${modelHash} ${this.#runtime}`);
    return path.join(this.#directory, `${key}.json`);
  }
}
