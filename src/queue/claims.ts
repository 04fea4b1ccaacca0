/**
 * The queue as workers see it.
 */
import { randomUUID } from 'node:crypto';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { Dispatcher } from '../jobs/ports.js';
import type { JobResult } from '../jobs/job.js';
import type { Claims, Revocation } from '../jobs/ports.js';
import { jobOf, type RecordReply } from '../jobs/record.js';
import type { RedisConnection } from '../redis/connection.js';
import { CLAIM, COMPLETE, FAIL, HAND_BACK, PROGRESS, RENEW } from './scripts/claims.js';
import { PREFIX } from './scripts/prelude.js';
import { MAX_ATTEMPTS, SHORT_SHARE, TIMING, type Timing } from '../jobs/timing.js';

export interface ClaimsDependencies {
  dispatcher: Dispatcher;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  logger: Logger;
  metrics?: Pick<Metrics, 'queueWaitSeconds'> | undefined;
  timing?: Timing;
}

const CHANNEL = `${PREFIX}revoked`;

type ClaimReply =
  | ['none', woken: number]
  | ['again', woken: number]
  | [
      'claimed',
      woken: number,
      RecordReply,
      cacheKey: string,
      modelHash: string,
      result: string | null,
      lane: string,
      waitedMs: number,
    ];

export function createClaims(
  connection: RedisConnection,
  { dispatcher, jobTtl, logger, metrics, timing = TIMING }: ClaimsDependencies,
): Claims {
  const ttl = jobTtl * 1000;
  const listeners = new Map<string, Set<(why: Revocation) => void>>();
  let subscribing: Promise<unknown> | undefined;

  /** One channel for all claims of this process. Without it, renewals tell. */
  function subscribe(): void {
    subscribing ??= connection
      .subscribe(CHANNEL, (message) => {
        const [token = '', why] = message.split(' ');
        for (const listener of listeners.get(token) ?? []) listener(why as Revocation);
      })
      .catch((error: unknown) => {
        subscribing = undefined;
        logger.warn('revocations_not_heard', { error });
      });
  }

  /** @param reply how many jobs were woken, or -1 for a void claim. */
  function ended(reply: unknown): boolean {
    const woken = reply as number;
    void dispatcher.wake(woken);
    return woken >= 0;
  }

  return {
    async claim(workerId, runtime) {
      subscribe();
      for (;;) {
        const token = randomUUID();
        const reply = (await connection.run(CLAIM, [
          workerId,
          runtime,
          timing.leaseMs,
          MAX_ATTEMPTS,
          SHORT_SHARE,
          timing.agingMs,
          ttl,
          token,
        ])) as ClaimReply;
        void dispatcher.wake(reply[1]);
        if (reply[0] === 'none') return undefined;
        if (reply[0] === 'again') continue;
        const [, , record, cacheKey, modelHash, result, lane, waitedMs] = reply;
        metrics?.queueWaitSeconds.observe({ lane }, waitedMs / 1000);
        return {
          job: jobOf(record),
          token,
          cacheKey,
          modelHash,
          cached: result === null ? undefined : (JSON.parse(result) as JobResult),
        };
      }
    },

    async renew({ job, token }) {
      const why = await connection.run(RENEW, [job.id, token, timing.leaseMs]);
      return (why as Revocation | null) ?? undefined;
    },

    onRevoked({ token }, listener) {
      subscribe();
      const own = listeners.get(token) ?? new Set();
      listeners.set(token, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0) listeners.delete(token);
      };
    },

    async progress({ job, token }, { stage, progress }) {
      if (!Number.isFinite(progress)) {
        throw new OxboardError('INTERNAL', `${progress} is no progress`);
      }
      const clamped = Math.min(100, Math.max(0, progress));
      return (
        (await connection.run(PROGRESS, [job.id, token, stage, clamped, timing.progressMs])) === 1
      );
    },

    async complete({ job, token, modelHash }, result, usedModel = modelHash) {
      return ended(
        await connection.run(COMPLETE, [
          job.id,
          token,
          ttl,
          result.id,
          JSON.stringify(result),
          usedModel === modelHash ? 1 : 0,
        ]),
      );
    },

    async fail({ job, token }, failure) {
      return ended(await connection.run(FAIL, [job.id, token, ttl, JSON.stringify(failure)]));
    },

    async handBack({ job, token }) {
      return ended(await connection.run(HAND_BACK, [job.id, token]));
    },
  };
}
