/**
 * Final samples as the bytes that an encoder reads.
 */
import type { SampleFormat } from './formats.js';
import { bytesOf } from './pcm.js';

const STEPS_16 = 2 ** 15;
const STEPS_24 = 2 ** 23;

const toSteps = (sample: number, steps: number): number =>
  Math.min(Math.max(Math.round(sample * steps), -steps), steps - 1);

/**
 * Rounds to the nearest step and stops at full scale. 24 bits travel as the upper ones of 32.
 * float32 passes bit for bit.
 */
export function quantise(samples: Float32Array, format: SampleFormat): Uint8Array {
  switch (format) {
    case 's16le':
      return bytesOf(Int16Array.from(samples, (sample) => toSteps(sample, STEPS_16)));
    case 's32le':
      return bytesOf(Int32Array.from(samples, (sample) => toSteps(sample, STEPS_24) * 256));
    case 'f32le':
      return bytesOf(samples);
  }
}
