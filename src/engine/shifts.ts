/**
 * Random shifts that are the same for the same seed, on every machine.
 */
import { maxShift } from '../model-options.js';
import type { ModelDescription } from '../models/archive.js';

/** Mulberry32 (Tommy Ettinger, public domain): numbers from 0 up to, not including, 1. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Offsets for each bag member (outer) and shift (inner), each from 0 to {@link maxShift}. Members
 * that are not run take their numbers too, so that the others do not depend on the choice of stems.
 */
export function drawShifts(
  model: Pick<ModelDescription, 'members' | 'sampleRate'>,
  shifts: number,
  seed: number,
): number[][] {
  const random = randomNumbers(seed);
  const limit = maxShift(model.sampleRate) + 1;
  return model.members.map(() =>
    Array.from({ length: shifts }, () => Math.floor(random() * limit)),
  );
}
