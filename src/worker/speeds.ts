/**
 * How fast each model runs here, as measured on the jobs that were done. Estimates of the first jobs
 * after a restart rest on it, so it is kept in a file.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { JobOptions } from '../options.js';

/** Share that stays of what is known when a job is added: about the last five jobs count. */
const MEMORY = 0.8;

const fileSchema = z.record(
  z.string(),
  z.object({ audio: z.number().positive(), work: z.number().positive() }),
);
type Measured = z.output<typeof fileSchema>;

export class Speeds {
  readonly #file: string;
  readonly #runtime: string;
  #measured: Measured = {};

  private constructor(file: string, runtime: string) {
    this.#file = file;
    this.#runtime = runtime;
  }

  /** @param runtime its signature: speeds of another device are none of this one. */
  static async open(dataDir: string, runtime: string): Promise<Speeds> {
    const speeds = new Speeds(path.join(dataDir, 'speeds.json'), runtime);
    speeds.#measured = await speeds.#read();
    return speeds;
  }

  /** Seconds of audio per second of work, without shifts and with the default overlap. */
  of(modelHash: string): number | null {
    const sums = this.#measured[this.#key(modelHash)];
    return sums ? sums.audio / sums.work : null;
  }

  /**
   * Adds a job that was done in one go.
   *
   * @param workSeconds from its decoding to its last encoded stem.
   */
  async add(
    modelHash: string,
    job: {
      audioSeconds: number;
      workSeconds: number;
      options: Pick<JobOptions, 'shifts' | 'overlap'>;
    },
  ): Promise<void> {
    const { shifts, overlap } = job.options;
    const passes = (Math.max(shifts, 1) * (1 - DEFAULT_OVERLAP)) / (1 - overlap);
    const key = this.#key(modelHash);
    const { audio, work } = this.#measured[key] ?? { audio: 0, work: 0 };
    // Sums, so that a short song, whose segment is mostly padding, weighs as little as it is long.
    const sums = {
      audio: audio * MEMORY + job.audioSeconds * passes,
      work: work * MEMORY + job.workSeconds,
    };
    this.#measured = { ...this.#measured, [key]: sums };
    // Other workers of this folder have measured other models.
    await this.#write({ ...(await this.#read()), [key]: sums });
  }

  #key(modelHash: string): string {
    return `${modelHash} ${this.#runtime}`;
  }

  async #read(): Promise<Measured> {
    try {
      return fileSchema.parse(JSON.parse(await readFile(this.#file, 'utf8')));
    } catch {
      return {}; // None yet, or not ours: it will be measured.
    }
  }

  async #write(measured: Measured): Promise<void> {
    const partial = `${this.#file}.${String(process.pid)}`;
    await mkdir(path.dirname(this.#file), { recursive: true });
    await writeFile(partial, JSON.stringify(measured));
    await rename(partial, this.#file);
  }
}

const DEFAULT_OVERLAP = 0.25;
