/**
 * Keeps a claim alive while its job is worked on, and ends the work as soon as the claim is void.
 */
import type { Logger } from '../observability/logger.js';
import type { Claims, Lease, Revocation } from '../jobs/ports.js';
import { Interruption } from './interruption.js';

/** After a renewal that failed: the claim would be void soon. */
const RETRY_MS = 1_000;

export interface ClaimKeeper {
  /** Aborted, by an Interruption, when the claim is void or the worker has to end. */
  readonly signal: AbortSignal;
  /** Asks at once whether the claim is void. */
  check(): Promise<void>;
  release(): void;
}

/** @param stopping aborted by an Interruption when the worker has to end. */
export function keepClaim(
  claims: Pick<Claims, 'renew' | 'onRevoked'>,
  claim: Lease,
  { renewalMs, stopping, logger }: { renewalMs: number; stopping: AbortSignal; logger: Logger },
): ClaimKeeper {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const revoked = (why: Revocation) => controller.abort(new Interruption(why));
  const stopListening = claims.onRevoked(claim, revoked);
  // AbortSignal.any would be remembered by `stopping`, which outlives all jobs.
  const stop = () => controller.abort(stopping.reason);
  stopping.addEventListener('abort', stop, { once: true });
  if (stopping.aborted) stop();

  const check = async () => {
    clearTimeout(timer);
    let delay = renewalMs;
    try {
      const why = await claims.renew(claim);
      if (why) revoked(why);
    } catch (error) {
      // Whether the claim is void tells the next renewal that is answered.
      delay = Math.min(RETRY_MS, renewalMs);
      logger.warn('claim_renewal_failed', { error });
    }
    plan(delay);
  };
  let released = false;
  const plan = (delay: number) => {
    clearTimeout(timer);
    if (released || controller.signal.aborted) return;
    timer = setTimeout(() => void check(), delay);
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
