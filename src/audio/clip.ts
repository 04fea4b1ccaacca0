/**
 * Keeping stems within full scale: a stem can be louder than the song it comes from.
 */
import type { CLIP_MODES } from '../options.js';

export type ClipMode = (typeof CLIP_MODES)[number];

const CEILING = 0.99;

export interface Clipper {
  /** The factor by which the whole stem is scaled. */
  gain: number;
  /** Changes samples in place. */
  apply: (samples: Float32Array) => void;
}

/** @param peak the largest absolute sample of the whole stem. */
export function clipper(mode: ClipMode, peak: number): Clipper {
  switch (mode) {
    case 'rescale': {
      const divisor = Math.max(1.01 * peak, 1);
      return { gain: 1 / divisor, apply: inPlace((sample) => sample / divisor) };
    }
    case 'clamp':
      return {
        gain: 1,
        apply: inPlace((sample) => Math.min(Math.max(sample, -CEILING), CEILING)),
      };
    case 'tanh':
      return { gain: 1, apply: inPlace(Math.tanh) };
    case 'none':
      return { gain: 1, apply: () => undefined };
  }
}

const inPlace = (map: (sample: number) => number) => (samples: Float32Array) => {
  for (let at = 0; at < samples.length; at++) samples[at] = map(samples[at] as number);
};
