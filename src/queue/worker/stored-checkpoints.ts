/**
 * Finished stems in the storage, where the next worker finds them when this one dies.
 */
import { rm, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Logger } from '../../observability/logger.js';
import type { CheckpointPart, Checkpoints } from '../../separation/checkpoints.js';
import type { Storage } from '../../storage/storage.js';

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

export interface StoredCheckpointsOptions {
  storage: Storage;
  /** Of the keys; equal only where the bytes are. */
  prefix: string;
  /** For local copies, where the storage is elsewhere. */
  directory: string;
  /** Seconds of work between two parts, at the moment. */
  interval: () => number;
  signal: AbortSignal;
  logger: Logger;
}

export class StoredCheckpoints implements Checkpoints {
  readonly #options: StoredCheckpointsOptions;
  readonly #began = performance.now();
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

  /** A part that cannot be kept costs work only if this worker dies: no reason to end the job. */
  async add({ offset, frames, files }: CheckpointPart): Promise<void> {
    const { storage, signal, logger } = this.#options;
    const folder = this.#folder(offset);
    try {
      const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
      for (const [index, file] of files.entries()) {
        await storage.putFile(`${folder}/${String(index)}.f32`, file, signal);
      }
      const description: z.input<typeof descriptionSchema> = {
        offset,
        frames,
        sizes,
        workSeconds: this.workSeconds,
      };
      const bytes = Buffer.from(JSON.stringify(description));
      await storage.putBytes(`${folder}/${DESCRIPTION}`, bytes, signal);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn('checkpoint_failed', { error });
      await Promise.all(files.map((file) => rm(file, { force: true })));
      await storage.removeAll(folder).catch(() => undefined);
    }
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
      logger.warn('checkpoint_unusable', { key, error });
      return undefined;
    }
  }

  #folder(offset: number): string {
    return `${this.#options.prefix}/${String(offset)}`;
  }
}
