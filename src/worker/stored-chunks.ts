/**
 * Chunks of a job's stems in the storage, noted in its record when they can be read.
 */
import { chunkCount } from '../audio/chunk-format.js';
import type { RunningPlayback } from '../jobs/job.js';
import type { Claims, Lease } from '../jobs/ports.js';
import { chunkKey, peaksKey } from '../jobs/record.js';
import type { Logger } from '../observability/logger.js';
import type { Chunk, ChunkSink } from '../separation/chunks.js';
import type { Storage } from '../storage/storage.js';

export interface StoredChunksOptions {
  claims: Pick<Claims, 'published'>;
  lease: Lease;
  playback: RunningPlayback;
  /** Chunks that earlier attempts have published. */
  chunksReady: number;
  storage: Storage;
  signal: AbortSignal;
  logger: Logger;
}

export class StoredChunks implements ChunkSink {
  readonly #options: StoredChunksOptions;
  #frames = 0;

  constructor(options: StoredChunksOptions) {
    this.#options = options;
  }

  get playback(): RunningPlayback {
    return this.#options.playback;
  }

  /** Length of the song. */
  get frames(): number {
    return this.#frames;
  }

  async begin(frames: number): Promise<number> {
    this.#frames = frames;
    await this.#note(this.#options.chunksReady);
    return this.#options.chunksReady;
  }

  async publish({ number, files, peaks }: Chunk): Promise<void> {
    const { playback, storage, signal } = this.#options;
    const { resultId, stems } = playback;
    for (const [index, stem] of stems.entries()) {
      await storage.putFile(chunkKey(resultId, stem, number), files[index] as string, signal);
    }
    await storage.putCopy(peaksKey(resultId), peaks, {}, signal);
    await this.#note(number + 1);
  }

  onError(error: unknown): void {
    if (!this.#options.signal.aborted) this.#options.logger.warn('chunk_not_published', { error });
  }

  /** A void lease ends the whole attempt. */
  async #note(chunksReady: number): Promise<void> {
    const { claims, lease } = this.#options;
    const frames = this.#frames;
    await claims.published(lease, { frames, chunks: chunkCount(frames), chunksReady });
  }
}
