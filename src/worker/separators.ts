/**
 * Loaded models: each once for all jobs that use it, the last used kept, the others let go of.
 */
import { LRUCache } from 'lru-cache';
import { Separator } from '../engine/separator.js';
import { OxboardError } from '../errors.js';
import { unlessAborted } from '../lib/timeout.js';
import { modelHash } from '../models/archive.js';
import { findModel } from '../models/library.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { MemoryShortage } from '../options.js';
import { isOutOfMemory } from './failures.js';

export interface SeparatorsOptions {
  modelsDir: string | undefined;
  device: string;
  threads: number;
  tf32?: boolean;
  /** Models that stay loaded while nobody uses them. */
  kept: number;
  logger: Logger;
  metrics: Metrics;
}

/** A loaded model in use. It stays loaded until `release` at least. */
export interface LoadedModel {
  readonly separator: Separator;
  readonly hash: string;
  release(): void;
}

interface Entry {
  loading: Promise<Separator>;
  /** Ends the loading when nobody wants the model any more. */
  unwanted: AbortController;
  users: number;
  /** No longer in the cache: it goes with its last user. */
  retired: boolean;
}

export class Separators {
  readonly #options: SeparatorsOptions;
  readonly #cache: LRUCache<string, Entry>;
  readonly #disposals = new Set<Promise<void>>();

  constructor(options: SeparatorsOptions) {
    this.#options = options;
    this.#cache = new LRUCache<string, Entry>({
      max: options.kept,
      dispose: (entry) => {
        entry.retired = true;
        this.#disposeUnused(entry);
      },
    });
  }

  /**
   * The archive is looked at each time: one that was replaced is loaded anew, one that is gone is
   * not used from memory.
   *
   * @throws OxboardError as Separator.load; `signal.reason`, while others may wait on for the model.
   */
  async acquire(name: string, signal?: AbortSignal): Promise<LoadedModel> {
    return this.#use(name, { warmUp: false, signal });
  }

  /** Has a model there before the first song comes, run once, so that the song is not slowed by that. */
  async warmUp(name: string): Promise<void> {
    const model = await this.#use(name, { warmUp: true });
    model.release();
  }

  async #use(
    name: string,
    { warmUp, signal }: { warmUp: boolean; signal?: AbortSignal | undefined },
  ): Promise<LoadedModel> {
    const model = await findModel(name, { modelsDir: this.#options.modelsDir });
    signal?.throwIfAborted();
    const hash = modelHash(model);
    const entry = this.#cache.get(hash) ?? this.#add(name, hash, warmUp);
    entry.users++;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      entry.users--;
      this.#disposeUnused(entry);
    };
    try {
      return { separator: await unlessAborted(signal, entry.loading), hash, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Lets go of the models that nobody uses, for the sake of those that lack memory. */
  disposeIdle(): void {
    for (const [hash, entry] of [...this.#cache.entries()]) {
      if (entry.users === 0) this.#cache.delete(hash);
    }
  }

  /** Lets go of all models. Those in use end their work with DISPOSED. */
  async dispose(): Promise<void> {
    for (const entry of this.#cache.values()) entry.users = 0;
    this.#cache.clear();
    await Promise.all(this.#disposals);
  }

  #add(name: string, hash: string, warmUp: boolean): Entry {
    const unwanted = new AbortController();
    const loading = this.#load(name, warmUp, unwanted.signal);
    const entry: Entry = { loading, unwanted, users: 0, retired: false };
    this.#cache.set(hash, entry);
    entry.loading.catch(() => {
      // The next job tries anew.
      if (this.#cache.peek(hash) === entry) this.#cache.delete(hash);
    });
    return entry;
  }

  async #load(name: string, warmUp: boolean, signal: AbortSignal): Promise<Separator> {
    const { modelsDir, device, threads, tf32 = false, logger, metrics } = this.#options;
    const began = performance.now();
    const load = () =>
      Separator.load(name, {
        ...(modelsDir && { modelsDir }),
        device,
        threads,
        tf32,
        warmUp,
        signal,
        onMemoryShort: (shortage) => this.#onMemoryShort(shortage),
      });
    const separator = await load().catch(async (error: unknown) => {
      if (!isOutOfMemory(error)) throw error;
      logger.warn('model_load_retried', { model: name, error });
      this.disposeIdle();
      await Promise.all(this.#disposals);
      return load();
    });
    const duration = (performance.now() - began) / 1000;
    metrics.modelLoadSeconds.observe({ model: name }, duration);
    logger.info('model_loaded', { model: name, duration, device, threads });
    return separator;
  }

  #onMemoryShort({ device, model, batchSize, onCpu, message }: MemoryShortage): void {
    const { logger, metrics } = this.#options;
    logger.warn('gpu_memory_short', {
      device,
      model,
      batch_size: batchSize,
      on_cpu: onCpu,
      message,
    });
    metrics.gpuMemoryShort.inc({ model, outcome: onCpu === 0 ? 'smaller_batch' : 'cpu' });
  }

  #disposeUnused(entry: Entry): void {
    if (!entry.retired || entry.users > 0) return;
    entry.unwanted.abort(
      new OxboardError('DISPOSED', 'The model was let go of while it was loaded'),
    );
    const disposal = entry.loading.then(
      (separator) => separator.dispose(),
      () => undefined, // There is nothing to let go of.
    );
    this.#disposals.add(disposal);
    void disposal.finally(() => this.#disposals.delete(disposal));
  }
}
