/**
 * Keeps the lease on a job while it is worked on, and ends the work as soon as the lease is void.
 */
import type { Logger } from '../observability/logger.js';
import type { Claims, Lease, Revocation } from '../jobs/ports.js';
import { Interruption } from './interruption.js';

/** Several renewals fit into a lease. */
export const RENEWAL_MS = 5_000;
/** After a renewal that failed: the lease runs out soon. */
const RETRY_MS = 1_000;

export interface KeptLease {
  /** Aborted, by an Interruption, when the lease is void or the worker has to end. */
  readonly signal: AbortSignal;
  /** Asks at once whether the lease is void. */
  check(): Promise<void>;
  release(): void;
}

/** @param stopping aborted by an Interruption when the worker has to end. */
export function keepLease(
  queue: Pick<Claims, 'renew' | 'onRevoked'>,
  lease: Lease,
  { renewalMs, stopping, logger }: { renewalMs: number; stopping: AbortSignal; logger: Logger },
): KeptLease {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const revoked = (why: Revocation) => controller.abort(new Interruption(why));
  const stopListening = queue.onRevoked(lease, revoked);
  // AbortSignal.any would be remembered by `stopping`, which outlives all jobs.
  const stop = () => controller.abort(stopping.reason);
  stopping.addEventListener('abort', stop, { once: true });
  if (stopping.aborted) stop();

  const check = async () => {
    clearTimeout(timer);
    let delayMs = renewalMs;
    try {
      const why = await queue.renew(lease);
      if (why) revoked(why);
    } catch (error) {
      // The next renewal that Redis answers tells whether the lease is void.
      delayMs = Math.min(RETRY_MS, renewalMs);
      logger.warn('lease_renewal_failed', { error });
    }
    plan(delayMs);
  };
  let released = false;
  const plan = (delayMs: number) => {
    clearTimeout(timer);
    if (released || controller.signal.aborted) return;
    timer = setTimeout(() => void check(), delayMs);
  };
  plan(renewalMs);

  return {
    signal: controller.signal,
    check,
    release() {
      released = true;
      clearTimeout(timer);
      stopListening();
      stopping.removeEventListener('abort', stop);
    },
  };
}
