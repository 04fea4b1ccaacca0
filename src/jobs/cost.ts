/**
 * What a job costs, and what makes two jobs give the same stems.
 */
import { OxboardError } from '../errors.js';
import { workSeconds, type ModelShape } from '../model-options.js';
import type { JobOptions } from '../options.js';
import type { JobRequest, PricedModel } from './job.js';

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

/** Seconds of audio per second of work that a model is expected to do until it was measured. */
const UNMEASURED_FACTOR = 1;

/** Seconds that a worker is expected to take for a song. */
export const costSeconds = (options: JobOptions, model: PricedModel, songSeconds: number): number =>
  workSeconds(options, model, songSeconds) / (model.realtimeFactor ?? UNMEASURED_FACTOR);

/** A job may be as much work as this many of the longest songs with default options. */
const MAX_LONGEST_SONGS = 20;

/**
 * Refuses a job that would keep its worker from all others for too long.
 *
 * @param maxDuration seconds of the longest song that is accepted.
 * @throws OxboardError INVALID_OPTION
 */
export function checkWork(
  options: JobOptions,
  model: ModelShape,
  songSeconds: number,
  maxDuration: number,
): void {
  const work = workSeconds(options, model, songSeconds);
  const most = MAX_LONGEST_SONGS * maxDuration;
  if (work <= most) return;
  throw new OxboardError(
    'INVALID_OPTION',
    `With these shifts, overlap and segment, ${songSeconds.toFixed(1)} s of audio are as much work ` +
      `as ${work.toFixed(0)} s with the defaults; this service takes up to ${String(most)} s. ` +
      'Choose fewer shifts, less overlap or a longer segment',
  );
}

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
