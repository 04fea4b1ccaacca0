/**
 * Final samples as the bytes that an encoder reads.
 */
import type { SampleFormat } from './formats.js';
import { bytesOf } from './pcm.js';

const STEPS_16 = 2 ** 15;
const STEPS_24 = 2 ** 23;

/**
 * Rounds to the nearest step and stops at full scale. 24 bits travel as the upper ones of 32.
 * float32 passes bit for bit.
 */
export function quantise(samples: Float32Array, format: SampleFormat): Uint8Array {
  switch (format) {
    case 's16le':
      return bytesOf(rounded(samples, new Int16Array(samples.length), STEPS_16, 1));
    case 's32le':
      return bytesOf(rounded(samples, new Int32Array(samples.length), STEPS_24, 2 ** 8));
    case 'f32le':
      return bytesOf(samples);
  }
}

/** A plain loop: `from` with a function takes twenty times as long. */
function rounded<T extends Int16Array | Int32Array>(
  samples: Float32Array,
  target: T,
  steps: number,
  scale: number,
): T {
  for (let at = 0; at < samples.length; at++) {
    const step = Math.round((samples[at] as number) * steps);
    target[at] = Math.min(Math.max(step, -steps), steps - 1) * scale;
  }
  return target;
}
