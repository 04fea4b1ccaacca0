/**
 * Finished stems in the storage, where the next worker finds them when this one dies.
 */
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { sha256Hex } from '../lib/hash.js';
import type { Logger } from '../observability/logger.js';
import type { CheckpointPart, Checkpoints, KeptPart } from '../separation/checkpoints.js';
import type { CheckpointPosition } from '../jobs/ports.js';
import type { Storage } from '../storage/storage.js';
import { isUnanswered } from './failures.js';

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

/** Of attempts at one job: equal only where the bytes of the stems are. */
export const signatureOf = ({
  runtime,
  modelHash,
}: {
  runtime: string;
  modelHash: string;
}): string => sha256Hex(`${runtime} ${modelHash}`).slice(0, 32);

export const checkpointPrefix = (jobId: string, signature: string): string =>
  `${checkpointsOf(jobId)}/${signature}`;

export interface StoredCheckpointsOptions {
  storage: Storage;
  /** Of the keys; see {@link checkpointPrefix}. */
  prefix: string;
  /** Seconds of work between two parts, at the moment. */
  interval: () => number;
  /** Told how far the parts reach when one more is kept. It handles its own errors. */
  onKept: (position: CheckpointPosition) => Promise<void>;
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

  async parts(): Promise<KeptPart[]> {
    const { storage, prefix } = this.#options;
    const parts: KeptPart[] = [];
    for await (const { key } of storage.list(`${prefix}/`)) {
      if (!key.endsWith(`/${DESCRIPTION}`)) continue;
      const part = await this.#restore(key);
      if (part) parts.push(part);
    }
    this.#resumed = parts.length > 0;
    return parts;
  }

  /**
   * A part that cannot be kept costs work only if this worker dies: no reason to end the job. Its
   * frames come again with the next part, so there is no gap once the storage is back.
   */
  async add({ offset, frames, files }: CheckpointPart): Promise<boolean> {
    const { storage, prefix, signal, logger, onKept } = this.#options;
    const folder = this.#folder(offset);
    const description: z.input<typeof descriptionSchema> = {
      offset,
      frames,
      sizes: files.map(({ start, end }) => end - start + 1),
      workSeconds: this.workSeconds,
    };
    try {
      for (const [index, { path: file, ...range }] of files.entries()) {
        await storage.putCopy(`${folder}/${String(index)}.f32`, file, range, signal);
      }
      const bytes = Buffer.from(JSON.stringify(description));
      await storage.putBytes(`${folder}/${DESCRIPTION}`, bytes, signal);
      await onKept({ series: path.basename(prefix), frames: offset + frames });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      logger.warn('checkpoint_failed', { error });
      if (!isUnanswered(error)) await storage.removeAll(folder).catch(() => undefined);
      return false;
    }
  }

  async #restore(key: string): Promise<KeptPart | undefined> {
    const { storage, signal, logger } = this.#options;
    try {
      const json: unknown = JSON.parse(await text(await storage.read(key, undefined, signal)));
      const { offset, frames, sizes, workSeconds } = descriptionSchema.parse(json);
      const outputs = await Promise.all(
        sizes.map(async (size, index) => {
          const file = `${this.#folder(offset)}/${String(index)}.f32`;
          const object = await storage.stat(file);
          if (object?.sizeBytes !== size) throw new Error(`${file} is missing or too short`);
          return () => storage.read(file, undefined, signal);
        }),
      );
      this.#earlierSeconds = Math.max(this.#earlierSeconds, workSeconds);
      return { offset, frames, outputs };
    } catch (error) {
      signal.throwIfAborted();
      // Once the storage is back, nothing of it has to be computed again.
      if (isUnanswered(error)) throw error;
      logger.warn('checkpoint_unusable', { key, error });
      return undefined;
    }
  }

  #folder(offset: number): string {
    return `${this.#options.prefix}/${String(offset)}`;
  }
}
