/**
 * Why the work on a job has to stop, as the reason of an AbortSignal.
 */
import type { Revocation } from '../jobs/ports.js';

export class Interruption extends Error {
  override readonly name = 'Interruption';

  /** @param why `stopping`: the worker has to end. */
  constructor(readonly why: Revocation | 'stopping') {
    super(`The work on the job was interrupted: ${why}`);
  }
}
