/**
 * How long things may take in the queue, in milliseconds, and how often.
 */
export interface Timing {
  /** A worker that is not heard of for so long has lost its jobs. */
  leaseMs: number;
  /** Neither lane falls behind the other by more. */
  agingMs: number;
  /** Between two events of a job in one stage. */
  progressMs: number;
}

export const TIMING: Timing = { leaseMs: 15_000, agingMs: 600_000, progressMs: 250 };

/** Attempts that a job has. */
export const MAX_ATTEMPTS = 3;
/** Short jobs that are taken up for each long one while both wait. */
export const SHORT_SHARE = 3;
