/**
 * How well the stems add up to the song: the level of (mixture - sum of all stems) in dB, relative
 * to the mixture, before clipping. The lower the better.
 */
import { isSilent } from '../audio/pcm.js';

const FLOOR_DB = -200;

export class NullTest {
  #mixtureEnergy = 0;
  #residualEnergy = 0;

  /** Takes the same samples of the song and of every stem. */
  add(mixture: Float32Array, stems: readonly Float32Array[]): void {
    if (isSilent(mixture) && stems.every(isSilent)) return;
    for (let at = 0; at < mixture.length; at++) {
      const sample = mixture[at] as number;
      let residual = sample;
      for (const stem of stems) residual -= stem[at] as number;
      this.#mixtureEnergy += sample * sample;
      this.#residualEnergy += residual * residual;
    }
  }

  /** Stops at -200 dB, which JSON can hold; null for a silent song, which has no level. */
  get decibels(): number | null {
    if (this.#mixtureEnergy === 0) return null;
    const level = 10 * Math.log10(this.#residualEnergy / this.#mixtureEnergy);
    return Math.max(level, FLOOR_DB);
  }
}
