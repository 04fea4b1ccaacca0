/**
 * Final samples as the bytes that an encoder reads.
 */
import { bitsOf, nextState } from '../lib/random.js';
import type { SampleFormat } from './formats.js';
import { bytesOf } from './pcm.js';

const STEPS_16 = 2 ** 15;
const STEPS_24 = 2 ** 23;

/**
 * Makes a function that turns one stem's samples, block after block, into what an encoder reads.
 * 24 bits travel as the upper ones of 32; float32 passes bit for bit. What is beyond full scale
 * stops there.
 *
 * 16 bits are dithered: triangular noise of one step either way makes the rounding error
 * independent of the music, so that fades end in even noise instead of a crackle. A sample that is
 * on a step already is left alone, which keeps silence silent. 24 bits are only rounded: their steps
 * are below the noise of any converter.
 *
 * @param seed equal seeds give equal noise; the stems of a song differ in it, or their noises would
 * add up when they are played together.
 */
export function quantiser(
  format: SampleFormat,
  seed: number,
): (samples: Float32Array) => Uint8Array {
  switch (format) {
    case 's16le': {
      const noise = Int32Array.of(seed);
      return (samples) => bytesOf(dithered(samples, noise));
    }
    case 's32le':
      return (samples) => bytesOf(rounded(samples));
    case 'f32le':
      return bytesOf;
  }
}

/**
 * Plain loops, here and below: `from` with a function takes twenty times as long.
 *
 * @param noise the state of the generator, which goes on from block to block.
 */
function dithered(samples: Float32Array, noise: Int32Array): Int16Array {
  const target = new Int16Array(samples.length);
  let state = noise[0] as number;
  for (let at = 0; at < samples.length; at++) {
    const exact = (samples[at] as number) * STEPS_16;
    let step = Math.floor(exact);
    if (step !== exact) {
      // The difference of two uniform numbers has a triangular distribution, here from -1 to 1.
      state = nextState(state);
      const bits = bitsOf(state);
      step = Math.floor(exact + ((bits & 0xffff) - (bits >>> 16)) / 0x10000 + 0.5);
    }
    target[at] = step < -STEPS_16 ? -STEPS_16 : step >= STEPS_16 ? STEPS_16 - 1 : step;
  }
  noise[0] = state;
  return target;
}

function rounded(samples: Float32Array): Int32Array {
  const target = new Int32Array(samples.length);
  for (let at = 0; at < samples.length; at++) {
    const step = Math.floor((samples[at] as number) * STEPS_24 + 0.5);
    const held = step < -STEPS_24 ? -STEPS_24 : step >= STEPS_24 ? STEPS_24 - 1 : step;
    target[at] = held * 2 ** 8;
  }
  return target;
}
