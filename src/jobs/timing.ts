/**
 * How long things may take in the queue, in milliseconds, and how often.
 */
export interface Timing {
  /** A worker that is not heard of for so long has lost its jobs. */
  leaseMs: number;
  /** Of the jobs of one client, those in one lane fall behind those in the other by no more. */
  agingMs: number;
  /** Between two events of a job in one stage. */
  progressMs: number;
  /** For how long a job that an outage sent back stays away from its lane. */
  outageDelayMs: number;
}

export const TIMING: Timing = {
  leaseMs: 15_000,
  agingMs: 600_000,
  progressMs: 250,
  outageDelayMs: 30_000,
};

/** Attempts that a job has, whatever progress they make. */
export const MAX_ATTEMPTS = 20;
/** Workers that a job may lose in a row without progress between them. */
export const MAX_LOSSES = 3;
/** Short jobs that are taken up for each long one while both wait. */
export const SHORT_SHARE = 3;
