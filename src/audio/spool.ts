/**
 * PCM in a file of raw interleaved float32: what lets a separation of any length run in the same
 * memory. A spool lies beside the output, since /tmp may be memory. Silence is a hole in the file,
 * which takes no place on the disk.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import {
  BYTES_PER_SAMPLE,
  bytesOf,
  deinterleave,
  FRAMES_PER_BLOCK,
  isSilent,
  newBlock,
  peakOf,
  type PcmFormat,
} from './pcm.js';

/** A finished spool. It is the source that a separation reads twice. */
export class Spool {
  constructor(
    readonly path: string,
    readonly sampleRate: number,
    readonly channelCount: number,
    readonly frames: number,
    /** The largest absolute sample; of a part, that of the whole. */
    readonly peak: number,
    /** Frames of the file that come before. */
    readonly firstFrame = 0,
  ) {}

  /** The same file from one frame up to, not including, another. */
  part(start: number, end: number): Spool {
    const { path, sampleRate, channelCount, peak, firstFrame } = this;
    return new Spool(path, sampleRate, channelCount, end - start, peak, firstFrame + start);
  }

  /** Interleaved samples; each block is the caller's to change and to keep. */
  samples(signal?: AbortSignal): AsyncGenerator<Float32Array, void, undefined> {
    return this.#read(signal);
  }

  /** Planar, as the engine reads; the memory of a block is reused for the next one. */
  async *blocks(signal?: AbortSignal): AsyncGenerator<readonly Float32Array[], void, undefined> {
    const block = newBlock(this.channelCount, FRAMES_PER_BLOCK);
    const memory = new Float32Array(this.channelCount * FRAMES_PER_BLOCK);
    for await (const samples of this.#read(signal, memory)) {
      const frames = samples.length / this.channelCount;
      const filled = block.map((channel) => channel.subarray(0, frames));
      if (this.peak !== 0) deinterleave(samples, filled);
      yield filled;
    }
  }

  /** @param memory of every block, if it is given. */
  async *#read(
    signal?: AbortSignal,
    memory?: Float32Array,
  ): AsyncGenerator<Float32Array, void, undefined> {
    const reader = await SpoolReader.open(this);
    try {
      for (let frame = 0; frame < this.frames; frame += FRAMES_PER_BLOCK) {
        signal?.throwIfAborted();
        yield await reader.read(frame, Math.min(FRAMES_PER_BLOCK, this.frames - frame), memory);
      }
    } finally {
      await reader.close();
    }
  }
}

/** Reads any frames of a spool. */
export class SpoolReader {
  readonly #spool: Spool;
  readonly #file: FileHandle;

  private constructor(spool: Spool, file: FileHandle) {
    this.#spool = spool;
    this.#file = file;
  }

  static async open(spool: Spool): Promise<SpoolReader> {
    return new SpoolReader(spool, await open(spool.path, 'r'));
  }

  /** @returns interleaved samples, at the start of `memory` if it is given. */
  async read(firstFrame: number, frames: number, memory?: Float32Array): Promise<Float32Array> {
    const { path, channelCount, peak } = this.#spool;
    const count = frames * channelCount;
    const samples = memory?.subarray(0, count) ?? new Float32Array(count);
    if (peak === 0) {
      // Reading would let the event loop turn, and so must this.
      await setImmediate();
      return samples;
    }
    const bytes = bytesOf(samples);
    const start = (this.#spool.firstFrame + firstFrame) * channelCount * BYTES_PER_SAMPLE;
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) throw new Error(`The spool ${path} was cut short`);
      done += bytesRead;
    }
    return samples;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Bytes of a file from `start` to `end`, both included. */
export interface FileRange {
  path: string;
  start: number;
  end: number;
}

export class SpoolWriter {
  readonly #path: string;
  readonly #format: PcmFormat;
  readonly #file: FileHandle;
  /** One change of the file at a time: a late truncation would cut off what was written meanwhile. */
  readonly #turns = pLimit(1);
  #frames = 0;
  #peak = 0;

  private constructor(path: string, format: PcmFormat, file: FileHandle) {
    this.#path = path;
    this.#format = format;
    this.#file = file;
  }

  static async create(path: string, format: PcmFormat): Promise<SpoolWriter> {
    return new SpoolWriter(path, format, await open(path, 'wx'));
  }

  get frames(): number {
    return this.#frames;
  }

  /** Whether all that was written so far is silence. */
  get silent(): boolean {
    return this.#peak === 0;
  }

  /** @param samples interleaved, of whole frames. */
  async write(samples: Float32Array): Promise<void> {
    const start = this.#offsetOf(this.#frames);
    this.#frames += samples.length / this.#format.channelCount;
    if (isSilent(samples)) return;
    this.#peak = Math.max(this.#peak, peakOf(samples));
    const bytes = bytesOf(samples);
    await this.#turns(async () => {
      for (let done = 0; done < bytes.length;) {
        const rest = bytes.length - done;
        const { bytesWritten } = await this.#file.write(bytes, done, rest, start + done);
        done += bytesWritten;
      }
    });
  }

  /** Where the frames from `firstFrame` on are, of which there is at least one. */
  async rangeFrom(firstFrame: number): Promise<FileRange> {
    await this.#extend();
    const end = this.#offsetOf(this.#frames) - 1;
    return { path: this.#path, start: this.#offsetOf(firstFrame), end };
  }

  /** What was written until now, to be read while more is written. */
  async soFar(): Promise<Spool> {
    const { sampleRate, channelCount } = this.#format;
    const spool = new Spool(this.#path, sampleRate, channelCount, this.#frames, this.#peak);
    await this.#extend();
    return spool;
  }

  /** Closes the file; what was written can be read from here on. */
  async finish(): Promise<Spool> {
    const spool = await this.soFar();
    await this.close();
    return spool;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Silence at the end is a hole too, but part of the length. */
  #extend(): Promise<void> {
    return this.#turns(() => this.#file.truncate(this.#offsetOf(this.#frames)));
  }

  #offsetOf(frame: number): number {
    return frame * this.#format.channelCount * BYTES_PER_SAMPLE;
  }
}

/**
 * Writes a whole stream of interleaved blocks into a spool.
 *
 * @param onBlock is called after each block; what it throws ends the writing.
 */
export async function spoolBlocks(
  path: string,
  format: PcmFormat,
  blocks: AsyncIterable<Float32Array>,
  onBlock?: (written: SpoolWriter) => void | Promise<void>,
): Promise<Spool> {
  const writer = await SpoolWriter.create(path, format);
  try {
    for await (const block of blocks) {
      await writer.write(block);
      await onBlock?.(writer);
    }
    return await writer.finish();
  } finally {
    await writer.close();
  }
}
