/**
 * Random numbers that are the same for the same seed, on every machine: Mulberry32 (Tommy Ettinger,
 * public domain), which counts and scrambles the count.
 */

/** The state that follows; the first one is the seed. */
export const nextState = (state: number): number => (state + 0x6d2b79f5) | 0;

/** The 32 random bits of a state, as a signed integer. */
export function bitsOf(state: number): number {
  let bits = Math.imul(state ^ (state >>> 15), state | 1);
  bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
  return bits ^ (bits >>> 14);
}

/** Numbers from 0 up to, not including, 1. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = nextState(state);
    return (bitsOf(state) >>> 0) / 2 ** 32;
  };
}
