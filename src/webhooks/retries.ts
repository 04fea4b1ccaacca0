/**
 * When a delivery that failed is tried again.
 */

/** Milliseconds. */
export interface Retries {
  /** After the first try; three times as long after each further one. */
  firstMs: number;
  /** Between two tries at most. */
  mostMs: number;
  /** After the end of the job for which it is tried. */
  forMs: number;
}

/** 5 s, 15 s, 45 s, 2 min, 7 min, 20 min, an hour, and then every three hours for a day. */
export const RETRIES: Retries = { firstMs: 5_000, mostMs: 3 * 3_600_000, forMs: 24 * 3_600_000 };

/** The share by which waits differ, so that those that failed together do not come back together. */
const SPREAD = 0.2;

/** Milliseconds until the next try after so many. */
export function delayAfter(tries: number, { firstMs, mostMs }: Retries): number {
  const delay = Math.min(mostMs, firstMs * 3 ** Math.min(tries - 1, 30));
  return Math.round(delay * (1 + SPREAD * (Math.random() - 0.5)));
}
