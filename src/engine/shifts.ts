/**
 * Random shifts of the song, drawn from a seed.
 */
import { randomNumbers } from '../lib/random.js';
import { maxShift } from '../model-options.js';
import type { ModelDescription } from '../models/archive.js';

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
