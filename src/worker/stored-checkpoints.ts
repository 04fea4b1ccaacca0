/**
 * Finished stems in the storage, where the next worker finds them when this one dies.
 */
import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Logger } from '../observability/logger.js';
import type { CheckpointPart, Checkpoints } from '../separation/checkpoints.js';
import type { Storage } from '../storage/storage.js';
import { isOutage } from './failures.js';

/** Written last: what is not described is not whole. */
const DESCRIPTION = 'part.json';

const descriptionSchema = z.object({
  offset: z.int().min(0),
  frames: z.int().min(1),
  /** Bytes of each file. */
  sizes: z.array(z.int().min(0)).min(1),
  /** Seconds of work, over all attempts, up to here. */
  workSeconds: z.number().min(0),
});

/** Beginning of the keys of all checkpoints of a job, whatever made them. */
export const checkpointsOf = (jobId: string): string => `checkpoints/${jobId}`;

/** Equal only where the bytes of the stems are. */
export function checkpointPrefix(
  jobId: string,
  { runtime, modelHash }: { runtime: string; modelHash: string },
): string {
  const hash = createHash('sha256').update(`${runtime} ${modelHash}`).digest('hex');
  return `${checkpointsOf(jobId)}/${hash.slice(0, 32)}`;
}

export interface StoredCheckpointsOptions {
  storage: Storage;
  /** Of the keys; see {@link checkpointPrefix}. */
  prefix: string;
  /** For local copies, where the storage is elsewhere. */
  directory: string;
  /** Seconds of work between two parts, at the moment. */
  interval: () => number;
  signal: AbortSignal;
  logger: Logger;
}

interface WaitingPart extends CheckpointPart {
  /** Of the files that are in the storage. */
  sizes: number[];
  stored: number;
  workSeconds: number;
}

export class StoredCheckpoints implements Checkpoints {
  readonly #options: StoredCheckpointsOptions;
  readonly #began = performance.now();
  readonly #waiting: WaitingPart[] = [];
  #earlierSeconds = 0;
  #resumed = false;

  constructor(options: StoredCheckpointsOptions) {
    this.#options = options;
  }

  get intervalSeconds(): number {
    return this.#options.interval();
  }

  /** Whether there was something to go on from. */
  get resumed(): boolean {
    return this.#resumed;
  }

  /** Seconds of work over all attempts that this one goes on from, and its own so far. */
  get workSeconds(): number {
    return this.#earlierSeconds + (performance.now() - this.#began) / 1000;
  }

  async parts(): Promise<CheckpointPart[]> {
    const { storage, prefix } = this.#options;
    const parts: CheckpointPart[] = [];
    for await (const { key } of storage.list(`${prefix}/`)) {
      if (!key.endsWith(`/${DESCRIPTION}`)) continue;
      const part = await this.#restore(key);
      if (part) parts.push(part);
    }
    this.#resumed = parts.length > 0;
    return parts;
  }

  /**
   * A part that cannot be kept costs work only if this worker dies: no reason to end the job. While the
   * storage is away parts wait for the next try, since none counts that comes after a gap.
   */
  async add(part: CheckpointPart): Promise<void> {
    this.#waiting.push({ ...part, sizes: [], stored: 0, workSeconds: this.workSeconds });
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (!(await this.#keep(next))) return;
      this.#waiting.shift();
    }
  }

  /** @returns false when it is to be tried again. */
  async #keep(part: WaitingPart): Promise<boolean> {
    const { storage, signal, logger } = this.#options;
    const { offset, frames, files, workSeconds } = part;
    const folder = this.#folder(offset);
    try {
      for (let file = files[part.stored]; file !== undefined; file = files[part.stored]) {
        const { size } = await stat(file);
        await storage.putFile(`${folder}/${String(part.stored)}.f32`, file, signal);
        part.sizes[part.stored++] = size;
      }
      const description: z.input<typeof descriptionSchema> = {
        offset,
        frames,
        sizes: part.sizes,
        workSeconds,
      };
      const bytes = Buffer.from(JSON.stringify(description));
      await storage.putBytes(`${folder}/${DESCRIPTION}`, bytes, signal);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn('checkpoint_failed', { error });
      if (isOutage(error)) return false;
      await Promise.all(files.map((file) => rm(file, { force: true })));
      await storage.removeAll(folder).catch(() => undefined);
    }
    return true;
  }

  async #restore(key: string): Promise<CheckpointPart | undefined> {
    const { storage, directory, signal, logger } = this.#options;
    try {
      const json: unknown = JSON.parse(await text(await storage.read(key, undefined, signal)));
      const { offset, frames, sizes, workSeconds } = descriptionSchema.parse(json);
      const files = await Promise.all(
        sizes.map(async (size, index) => {
          const file = await storage.localFile(
            `${this.#folder(offset)}/${String(index)}.f32`,
            directory,
            signal,
          );
          if ((await stat(file)).size !== size) throw new Error(`${key} has a file cut short`);
          return file;
        }),
      );
      this.#earlierSeconds = Math.max(this.#earlierSeconds, workSeconds);
      return { offset, frames, files };
    } catch (error) {
      signal.throwIfAborted();
      // Once the storage is back, nothing of it has to be computed again.
      if (isOutage(error)) throw error;
      logger.warn('checkpoint_unusable', { key, error });
      return undefined;
    }
  }

  #folder(offset: number): string {
    return `${this.#options.prefix}/${String(offset)}`;
  }
}
