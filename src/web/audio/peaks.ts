/**
 * Peaks of one stem, which grow while the job runs.
 */
import type { Peaks as StemPeaks } from '../../client/index.js';

/** Pixels of the fine level in one of the coarse level, which serves wide ranges. */
const COARSE = 32;

/** The least and greatest sample of a range, between -1 and 1 of the scaled audio. */
export type Extremes = [min: number, max: number];

export class Peaks {
  /** Sample frames in one pixel. */
  framesPerPixel = 256;
  #length = 0;
  /** Minimum and maximum of each pixel in turn. */
  #fine = new Int8Array(0);
  #coarse = new Int8Array(0);

  #loudest = 0;

  /** The greatest absolute peak so far, from 0 to 1 of the scaled audio. */
  get loudest(): number {
    return this.#loudest / 128;
  }

  /** Pixels so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds what has become final.
   *
   * @param from the pixel at which it begins.
   */
  append({ framesPerPixel, data }: StemPeaks, from: number): void {
    this.framesPerPixel = framesPerPixel;
    const count = data.length / 2;
    this.#reserve(from + count);
    this.#fine.set(data, from * 2);
    this.#loudest = data.reduce((most, value) => Math.max(most, Math.abs(value)), this.#loudest);
    this.#length = Math.max(this.#length, from + count);
    for (let block = Math.floor(from / COARSE); block * COARSE < this.#length; block++) {
      const [min, max] = this.#scan(
        this.#fine,
        block * COARSE,
        Math.min((block + 1) * COARSE, this.#length),
      );
      this.#coarse[block * 2] = min;
      this.#coarse[block * 2 + 1] = max;
    }
  }

  /** The extremes from pixel `from` up to, not including, `to`. */
  extremes(from: number, to: number): Extremes {
    const end = Math.min(to, this.#length);
    const wide = to - from >= 2 * COARSE;
    const [min, max] = wide
      ? this.#scan(this.#coarse, Math.floor(from / COARSE), Math.ceil(end / COARSE))
      : this.#scan(this.#fine, from, end);
    return [min / 128, max / 128];
  }

  #scan(pairs: Int8Array, from: number, to: number): Extremes {
    let [min, max] = [0, 0];
    for (let i = from * 2; i < to * 2; i += 2) {
      min = Math.min(min, pairs[i] ?? 0);
      max = Math.max(max, pairs[i + 1] ?? 0);
    }
    return [min, max];
  }

  #reserve(pixels: number): void {
    if (this.#fine.length >= pixels * 2) return;
    const room = Math.ceil((pixels * 1.5) / COARSE) * COARSE;
    const [fine, coarse] = [new Int8Array(room * 2), new Int8Array((room / COARSE) * 2)];
    fine.set(this.#fine);
    coarse.set(this.#coarse);
    [this.#fine, this.#coarse] = [fine, coarse];
  }
}
