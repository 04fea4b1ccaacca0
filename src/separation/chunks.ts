/**
 * Publishes finished stems chunk by chunk while the rest of the song is separated.
 */
import { open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import {
  BYTES_PER_PIXEL,
  CHUNK_FRAMES,
  chunkCount,
  FRAMES_PER_PIXEL,
  pixelCount,
} from '../audio/chunk-format.js';
import { chunkBytes, encodeChunks, peaksOf } from '../audio/chunks.js';
import { SpoolReader, type Spool, type SpoolWriter } from '../audio/spool.js';
import type { Workspace } from './workspace.js';

/** Files of the next chunk; they are the receiver's no longer than its promise lasts. */
export interface Chunk {
  number: number;
  /** FLAC: one of each output of the plan, then that of the mixture. */
  files: readonly string[];
  /**
   * Peaks of this chunk and all before: for each pixel, those of each file in their order. It grows
   * from chunk to chunk.
   */
  peaks: string;
}

/** Where chunks are published. */
export interface ChunkSink {
  /**
   * Called once the song is decoded.
   *
   * @returns how many chunks earlier attempts have published; the same come again.
   */
  begin(frames: number): Promise<number>;
  publish(chunk: Chunk): Promise<void>;
  /** Told of an error while the separation goes on; the chunk is tried again later. */
  onError(error: unknown): void;
}

export class ChunkPublisher {
  readonly #sink: ChunkSink;
  readonly #mixture: Spool;
  readonly #writers: readonly SpoolWriter[];
  readonly #workspace: Workspace;
  readonly #peaks: FileHandle;
  readonly #published: number;
  readonly #stopped = new AbortController();
  #next = 0;
  /** Frames that have to be there before another try. */
  #notBefore = 0;
  #working: Promise<void> | undefined;

  private constructor(
    { sink, mixture, writers, workspace }: PublisherParts,
    peaks: FileHandle,
    published: number,
  ) {
    this.#sink = sink;
    this.#mixture = mixture;
    this.#writers = writers;
    this.#workspace = workspace;
    this.#peaks = peaks;
    this.#published = published;
  }

  static async open(parts: PublisherParts): Promise<ChunkPublisher> {
    const published = await parts.sink.begin(parts.mixture.frames);
    const peaks = await open(peaksFile(parts.workspace), 'wx');
    return new ChunkPublisher(parts, peaks, published);
  }

  /** Publishes what is complete, in the background. */
  advance(): void {
    if (this.#working || !this.#isDue || this.#written < this.#notBefore) return;
    this.#working = this.#publishDue()
      .catch((error: unknown) => {
        if (this.#stopped.signal.aborted) return;
        this.#notBefore = this.#written + CHUNK_FRAMES;
        this.#sink.onError(error);
      })
      .finally(() => (this.#working = undefined));
  }

  /** Publishes all that is left, once the whole song is written. */
  async finish(): Promise<void> {
    await this.#working;
    await this.#publishDue();
  }

  /** Ends the work in the background. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#working;
    await this.#peaks.close();
  }

  get #written(): number {
    return this.#writers[0]?.frames ?? 0;
  }

  get #isDue(): boolean {
    const end = Math.min((this.#next + 1) * CHUNK_FRAMES, this.#mixture.frames);
    return this.#next < chunkCount(this.#mixture.frames) && this.#written >= end;
  }

  async #publishDue(): Promise<void> {
    for (; this.#isDue; this.#next++) await this.#publish(this.#next);
  }

  async #publish(number: number): Promise<void> {
    const outputs = await Promise.all(this.#writers.map((writer) => writer.soFar()));
    const spools = [...outputs, this.#mixture];
    const files = spools.map((_, index) => ({
      from: this.#workspace.path(`chunk-${String(index)}.s32`),
      to: this.#workspace.path(`chunk-${String(index)}.flac`),
    }));
    const wanted = number >= this.#published;
    try {
      const peaks: Int8Array[] = [];
      for (const [index, spool] of spools.entries()) {
        const { samples, pixels } = await this.#read(number, spool);
        peaks.push(pixels);
        if (wanted) await writeFile(files[index]?.from as string, chunkBytes(samples));
      }
      await this.#writePeaks(number, peaks);
      if (!wanted) return;
      await encodeChunks(files, this.#mixture, this.#stopped.signal);
      await this.#sink.publish({
        number,
        files: files.map(({ to }) => to),
        peaks: peaksFile(this.#workspace),
      });
    } finally {
      // Also after a failure: the next try starts with no file of this one.
      for (const { from, to } of files) {
        await rm(from, { force: true });
        await rm(to, { force: true });
      }
    }
  }

  /** The samples of a chunk, and the peaks of the pixels that end in it. */
  async #read(number: number, spool: Spool): Promise<{ samples: Float32Array; pixels: Int8Array }> {
    const { channelCount } = spool;
    const first = number * CHUNK_FRAMES;
    const end = Math.min(first + CHUNK_FRAMES, this.#mixture.frames);
    const firstPixel = pixelCount(number, this.#mixture.frames);
    const pixels = pixelCount(number + 1, this.#mixture.frames) - firstPixel;
    const start = firstPixel * FRAMES_PER_PIXEL;
    const reader = await SpoolReader.open(spool);
    try {
      const samples = await reader.read(start, end - start);
      return {
        pixels: peaksOf(
          samples.subarray(0, pixels * FRAMES_PER_PIXEL * channelCount),
          channelCount,
        ),
        samples: samples.subarray((first - start) * channelCount),
      };
    } finally {
      await reader.close();
    }
  }

  /** @param columns peaks of each spool. */
  async #writePeaks(number: number, columns: readonly Int8Array[]): Promise<void> {
    const rowBytes = columns.length * BYTES_PER_PIXEL;
    const pixels = (columns[0]?.length ?? 0) / BYTES_PER_PIXEL;
    const rows = new Int8Array(pixels * rowBytes);
    for (const [column, peaks] of columns.entries()) {
      for (let pixel = 0; pixel < pixels; pixel++) {
        const at = pixel * rowBytes + column * BYTES_PER_PIXEL;
        rows[at] = peaks[pixel * BYTES_PER_PIXEL] as number;
        rows[at + 1] = peaks[pixel * BYTES_PER_PIXEL + 1] as number;
      }
    }
    const position = pixelCount(number, this.#mixture.frames) * rowBytes;
    await this.#peaks.write(rows, 0, rows.length, position);
  }
}

export interface PublisherParts {
  sink: ChunkSink;
  mixture: Spool;
  /** Of each output of the plan. */
  writers: readonly SpoolWriter[];
  workspace: Workspace;
}

const peaksFile = (workspace: Workspace): string => workspace.path('peaks');
