/**
 * One attempt to separate the song of a job.
 */
import type { Claim } from '../jobs/ports.js';
import { runAttempt, type AttemptContext } from './attempt.js';
import { removeStems } from './results.js';
import {
  separateJob,
  type SeparatedJob,
  type SeparationContext,
  type SeparationListener,
} from './separate-job.js';
import { checkpointsOf } from './stored-checkpoints.js';

export type JobContext = AttemptContext & SeparationContext;

/** Never rejects; see attempt.ts. */
export function runJob(context: JobContext, claim: Claim): Promise<void> {
  const { claims, storage, metrics, logger } = context;
  const { job, cached } = claim;
  const listener: SeparationListener = {
    onCheckpoint: async (position) => {
      // A lost worker counts more than it should.
      await claims.checkpointed(claim, position).catch((error: unknown) => {
        logger.debug('checkpoint_not_reported', { error });
      });
    },
    // The claim is void then, and the attempt ends as for a worker that was lost.
    onStall: async () => {
      logger.error('job_stalled');
      await claims.giveUp(claim).catch((error: unknown) => {
        logger.warn('job_not_given_up', { error });
      });
    },
  };
  metrics.cache.inc({ outcome: cached ? 'hit' : 'miss' });
  return runAttempt<SeparatedJob>(context, {
    name: 'job',
    lease: claim,
    queue: claims,
    attempt: job.attempts,
    cached: cached !== undefined,
    active: metrics.jobsActive,
    work: async (progress, signal) =>
      cached ? { result: cached } : separateJob(context, claim, { progress, listener }, signal),
    onStage: (stage, seconds) => metrics.stageSeconds.observe({ stage }, seconds),
    complete: ({ result, usedModel }) => claims.complete(claim, result, usedModel),
    discard: async ({ result }) => {
      if (!cached) await removeStems(storage, result);
    },
    cleanUp: () => storage.removeAll(checkpointsOf(job.id)),
    count(end) {
      const { outcome } = end;
      metrics.attempts.inc({ outcome });
      if (outcome === 'completed' || outcome === 'failed')
        metrics.jobsTotal.inc({ status: outcome });
      if (outcome !== 'completed' || cached) return;
      const { processingSeconds, realtimeFactor } = end.result.result;
      const { model } = job.request;
      metrics.processingSeconds.observe(processingSeconds);
      metrics.realtimeFactor.observe({ model }, realtimeFactor);
      metrics.audioSeconds.inc({ model }, processingSeconds * realtimeFactor);
    },
  });
}
