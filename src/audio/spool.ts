/**
 * PCM in a file of raw interleaved float32: what lets a separation of any length run in the same
 * memory. A spool lies beside the output, since /tmp may be memory. Silence is a hole in the file,
 * which takes no place on the disk.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import {
  BYTES_PER_SAMPLE,
  bytesOf,
  deinterleave,
  FRAMES_PER_BLOCK,
  interleave,
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
    /** The largest absolute sample. */
    readonly peak: number,
  ) {}

  async *blocks(signal?: AbortSignal): AsyncGenerator<readonly Float32Array[], void, undefined> {
    if (this.peak === 0) {
      yield* this.#silence(signal);
      return;
    }
    const reader = await SpoolReader.open(this);
    try {
      for (let frame = 0; frame < this.frames; frame += FRAMES_PER_BLOCK) {
        signal?.throwIfAborted();
        yield await reader.read(frame, Math.min(FRAMES_PER_BLOCK, this.frames - frame));
      }
    } finally {
      await reader.close();
    }
  }

  /** Nothing needs to be read. Reading would give way to other work, and so does this. */
  async *#silence(signal?: AbortSignal): AsyncGenerator<readonly Float32Array[], void, undefined> {
    const block = newBlock(this.channelCount, FRAMES_PER_BLOCK);
    for (let frame = 0; frame < this.frames; frame += FRAMES_PER_BLOCK) {
      await setImmediate();
      signal?.throwIfAborted();
      const rest = this.frames - frame;
      yield rest < FRAMES_PER_BLOCK ? block.map((channel) => channel.subarray(0, rest)) : block;
    }
  }
}

export class SpoolReader {
  readonly #spool: Spool;
  readonly #file: FileHandle;
  #interleaved = new Float32Array();

  private constructor(spool: Spool, file: FileHandle) {
    this.#spool = spool;
    this.#file = file;
  }

  static async open(spool: Spool): Promise<SpoolReader> {
    return new SpoolReader(spool, await open(spool.path, 'r'));
  }

  async read(firstFrame: number, frames: number): Promise<Float32Array[]> {
    const { channelCount } = this.#spool;
    const sampleCount = frames * channelCount;
    if (this.#interleaved.length < sampleCount) this.#interleaved = new Float32Array(sampleCount);
    if (this.#spool.peak === 0) return newBlock(channelCount, frames);
    const samples = this.#interleaved.subarray(0, sampleCount);
    const bytes = bytesOf(samples);
    const start = firstFrame * channelCount * BYTES_PER_SAMPLE;
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) throw new Error(`The spool ${this.#spool.path} was cut short`);
      done += bytesRead;
    }
    const block = newBlock(channelCount, frames);
    deinterleave(samples, block);
    return block;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

export class SpoolWriter {
  readonly #path: string;
  readonly #format: PcmFormat;
  readonly #file: FileHandle;
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

  async write(block: readonly Float32Array[]): Promise<void> {
    const start = this.#bytes;
    this.#frames += block[0]?.length ?? 0;
    if (isSilent(block)) return;
    const samples = interleave(block);
    this.#peak = Math.max(this.#peak, peakOf(samples));
    const bytes = bytesOf(samples);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(
        bytes,
        done,
        bytes.length - done,
        start + done,
      );
      done += bytesWritten;
    }
  }

  get #bytes(): number {
    return this.#frames * this.#format.channelCount * BYTES_PER_SAMPLE;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Closes the file; what was written can be read from here on. */
  async finish(): Promise<Spool> {
    // Silence at the end is a hole too, but part of the length.
    await this.#file.truncate(this.#bytes);
    await this.close();
    const { sampleRate, channelCount } = this.#format;
    return new Spool(this.#path, sampleRate, channelCount, this.#frames, this.#peak);
  }
}

/** Writes a whole stream of blocks into a spool. */
export async function spoolBlocks(
  path: string,
  format: PcmFormat,
  blocks: AsyncIterable<readonly Float32Array[]>,
  onFrames?: (frames: number) => void,
): Promise<Spool> {
  const writer = await SpoolWriter.create(path, format);
  try {
    for await (const block of blocks) {
      await writer.write(block);
      onFrames?.(writer.frames);
    }
  } catch (error) {
    await writer.close();
    throw error;
  }
  return writer.finish();
}
