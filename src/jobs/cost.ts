/**
 * What a job costs, and what makes two jobs give the same stems.
 */
import type { JobRequest } from './job.js';

export type Lane = 'short' | 'long';

/** Seconds of work from which a job is a long one. */
const LONG_FROM = 120;

/**
 * Milliseconds beyond which no job is told from another by its cost. Sums of them stay integers of
 * Redis, which would else refuse every script that touches such a job.
 */
const MOST_COST = 365 * 86_400_000;

/** Milliseconds as Redis counts them. */
export const costMs = (costSeconds: number): number =>
  Math.round(Math.min(costSeconds * 1000, MOST_COST));

export const laneOf = (costSeconds: number): Lane => (costSeconds < LONG_FROM ? 'short' : 'long');

/** All options that decide the bytes of the stems, in one order, as text. */
export function canonicalOptions({ options }: JobRequest): string {
  const deciding = {
    ...options,
    stems: options.stems && [...options.stems].sort(),
    // Only shifts are drawn by chance.
    seed: options.shifts === 0 ? undefined : options.seed,
  };
  return JSON.stringify(Object.entries(deciding).sort(([a], [b]) => (a < b ? -1 : 1)));
}
