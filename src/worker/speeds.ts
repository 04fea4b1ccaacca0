/**
 * How fast each model runs here, as measured on the jobs that were done. Estimates of the first jobs
 * after a restart rest on it, so it is kept in a file.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

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

  /** Seconds of audio per second, for a long song with default options. */
  of(modelHash: string): number | null {
    const sums = this.#measured[this.#key(modelHash)];
    return sums ? sums.audio / sums.work : null;
  }

  /**
   * Adds a job that was done in one go.
   *
   * @param work of {@link workSeconds}.
   * @param seconds that it took, from its decoding to its last encoded stem.
   */
  async add(modelHash: string, job: { work: number; seconds: number }): Promise<void> {
    const key = this.#key(modelHash);
    const { audio, work } = this.#measured[key] ?? { audio: 0, work: 0 };
    // Sums, so that a short job weighs little.
    const sums = { audio: audio * MEMORY + job.work, work: work * MEMORY + job.seconds };
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
