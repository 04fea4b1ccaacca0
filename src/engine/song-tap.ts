/**
 * Keeps what a source gives until the stems of it are finished: some stems are made of both.
 */
import type { AudioSource } from './audio-source.js';

/** A source for one reading that begins at its first frame. */
export class SongTap implements AudioSource {
  readonly sampleRate: number;
  readonly channelCount: number;
  readonly #source: AudioSource;
  readonly #kept: Float32Array[][] = [];
  #toSkip: number;

  /** @param start the first frame that is taken. */
  constructor(source: AudioSource, start: number) {
    this.sampleRate = source.sampleRate;
    this.channelCount = source.channelCount;
    this.#source = source;
    this.#toSkip = start;
  }

  async *blocks(signal?: AbortSignal): AsyncGenerator<readonly Float32Array[]> {
    for await (const block of this.#source.blocks(signal)) {
      const frames = block[0]?.length ?? 0;
      // A copy: the source may use the memory of a block again.
      if (frames > this.#toSkip) this.#kept.push(block.map((row) => row.slice(this.#toSkip)));
      this.#toSkip = Math.max(this.#toSkip - frames, 0);
      yield block;
    }
  }

  /** The next frames, one array per channel; they have been read before. */
  take(frames: number): Float32Array[] {
    const rows = Array.from({ length: this.channelCount }, () => new Float32Array(frames));
    for (let at = 0; at < frames;) {
      const block = this.#kept.shift() ?? [];
      const length = block[0]?.length ?? 0;
      if (length === 0) break;
      const used = Math.min(length, frames - at);
      for (const [channel, row] of block.entries()) rows[channel]?.set(row.subarray(0, used), at);
      if (used < length) this.#kept.unshift(block.map((row) => row.subarray(used)));
      at += used;
    }
    return rows;
  }
}
