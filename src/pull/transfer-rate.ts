/**
 * Speed of a download and the time it still needs.
 */
import type { PullProgress } from './pull.js';

/** From so many seconds on, a measured speed means something. */
const MIN_SECONDS = 1;

export class TransferRate {
  #started = performance.now();
  #firstBytes: number | undefined;

  /**
   * Measured since the first call: bytes of an earlier pull do not count.
   *
   * @returns undefined until it means something.
   */
  measure({
    bytes,
    bytesTotal,
  }: Pick<PullProgress, 'bytes' | 'bytesTotal'>):
    { bytesPerSecond: number; secondsLeft: number } | undefined {
    if (this.#firstBytes === undefined) {
      this.#firstBytes = bytes;
      this.#started = performance.now();
    }
    const seconds = (performance.now() - this.#started) / 1000;
    const bytesPerSecond = (bytes - this.#firstBytes) / seconds;
    if (seconds < MIN_SECONDS || bytesPerSecond <= 0) return undefined;
    return { bytesPerSecond, secondsLeft: (bytesTotal - bytes) / bytesPerSecond };
  }
}
