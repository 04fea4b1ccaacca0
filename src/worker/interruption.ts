/**
 * Why work on a job ends before its end, as the reason of an AbortSignal.
 */
import type { Revocation } from '../jobs/ports.js';

export class Interruption extends Error {
  override readonly name = 'Interruption';

  /** @param why `stopping`: the worker is to end. */
  constructor(readonly why: Revocation | 'stopping') {
    super(`The work on the job was interrupted: ${why}`);
  }
}
