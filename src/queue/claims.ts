/**
 * The queue as the workers see it.
 */
import { randomUUID } from 'node:crypto';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { JobResult, RunningPlayback } from '../jobs/job.js';
import type { Claims, Dispatcher, Revocation } from '../jobs/ports.js';
import { decodeJob } from '../jobs/record.js';
import type { QueueConnection } from './connection.js';
import { countFailures, type FailureMetrics } from './failure-metrics.js';
import { PREFIX } from './keys.js';
import { MAX_ATTEMPTS, MAX_LOSSES, SHORT_SHARE, TIMING, type Timing } from '../jobs/timing.js';

export interface ClaimsDependencies {
  dispatcher: Dispatcher;
  /** Seconds that a record is kept after its job ended. */
  jobTtl: number;
  logger: Logger;
  metrics?: (Pick<Metrics, 'queueWaitSeconds'> & FailureMetrics) | undefined;
  timing?: Timing;
}

const CHANNEL = `${PREFIX}revoked`;

export function createClaims(
  connection: QueueConnection,
  { dispatcher, jobTtl, logger, metrics, timing = TIMING }: ClaimsDependencies,
): Claims {
  const { scripts } = connection;
  const ttlMs = jobTtl * 1000;
  const limits = { maxAttempts: MAX_ATTEMPTS, maxLosses: MAX_LOSSES, ttlMs };
  const listeners = new Map<string, Set<(why: Revocation) => void>>();
  let subscribing: Promise<unknown> | undefined;

  /** One channel for all claims of this process. Without it, renewals find revoked claims. */
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

  /** @returns false for a void claim. */
  function settled({ woken }: { woken?: number }): boolean {
    void dispatcher.wake(woken ?? 0);
    return woken !== undefined;
  }

  return {
    async claim(workerId, runtime) {
      subscribe();
      for (;;) {
        const token = randomUUID();
        const reply = await scripts.claim({
          worker: workerId,
          runtime,
          token,
          leaseMs: timing.leaseMs,
          ...limits,
          shortShare: SHORT_SHARE,
          agingMs: timing.agingMs,
        });
        void dispatcher.wake(reply.woken);
        countFailures(metrics, 'ATTEMPTS_EXHAUSTED', reply.exhausted);
        if (reply.outcome === 'none') return undefined;
        if (reply.outcome === 'again') continue;
        const { record, cacheKey, modelHash, result, lane, waitedMs } = reply;
        metrics?.queueWaitSeconds.observe({ lane }, waitedMs / 1000);
        return {
          job: decodeJob(record),
          token,
          cacheKey,
          modelHash,
          cached: result === undefined ? undefined : (JSON.parse(result) as JobResult),
        };
      }
    },

    async renew({ job, token }) {
      return (await scripts.renew({ id: job.id, token, leaseMs: timing.leaseMs })).revoked;
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
      const { holds } = await scripts.progress({
        id: job.id,
        token,
        stage,
        progress: Math.min(100, Math.max(0, progress)),
        eventMs: timing.progressMs,
      });
      return holds;
    },

    async beginPlayback({ job, token }, { signature, sampleRate, stems }) {
      const resultId = randomUUID();
      const { playback, chunksReady } = await scripts.beginPlayback({
        ...{ id: job.id, token, signature, resultId, sampleRate, stems: [...stems] },
      });
      return playback === undefined
        ? undefined
        : { playback: JSON.parse(playback) as RunningPlayback, chunksReady };
    },

    async published({ job, token }, { frames, chunks, chunksReady }) {
      const { holds } = await scripts.publish({ id: job.id, token, frames, chunks, chunksReady });
      return holds;
    },

    async complete({ job, token, modelHash }, result, usedModel = modelHash) {
      return settled(
        await scripts.complete({
          id: job.id,
          token,
          ttlMs,
          resultId: result.id,
          result: JSON.stringify(result),
          warnings: JSON.stringify(result.warnings),
          shared: usedModel === modelHash,
          chunks: result.playback.chunks,
        }),
      );
    },

    async fail({ job, token }, failure) {
      return settled(
        await scripts.fail({ id: job.id, token, ttlMs, error: JSON.stringify(failure) }),
      );
    },

    async handBack({ job, token }, outage) {
      const { outageDelayMs: delayMs } = timing;
      const reason = outage && JSON.stringify(outage);
      return settled(await scripts.handBack({ id: job.id, token, outage: reason, delayMs }));
    },

    async giveUp({ job, token }) {
      const reply = await scripts.giveUp({ id: job.id, token, ...limits });
      countFailures(metrics, 'ATTEMPTS_EXHAUSTED', reply.exhausted ?? 0);
      return settled(reply);
    },

    async checkpointed({ job, token }, { series, frames }) {
      const { holds } = await scripts.checkpoint({ id: job.id, token, series, frames });
      return holds;
    },
  };
}
