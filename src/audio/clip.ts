/**
 * Keeping stems within full scale: a stem can be louder than the song it comes from.
 */
import type { CLIP_MODES } from '../options.js';

export type ClipMode = (typeof CLIP_MODES)[number];

export interface Clipper {
  /** The factor by which the whole stem is scaled. */
  gain: number;
  apply: (sample: number) => number;
}

/** @param peak the largest absolute sample of the whole stem. */
export function clipper(mode: ClipMode, peak: number): Clipper {
  switch (mode) {
    case 'rescale': {
      const divisor = Math.max(1.01 * peak, 1);
      return { gain: 1 / divisor, apply: (sample) => sample / divisor };
    }
    case 'clamp':
      return { gain: 1, apply: (sample) => Math.min(Math.max(sample, -0.99), 0.99) };
    case 'tanh':
      return { gain: 1, apply: Math.tanh };
    case 'none':
      return { gain: 1, apply: (sample) => sample };
  }
}
