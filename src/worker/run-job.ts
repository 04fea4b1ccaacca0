/**
 * One attempt to separate the song of a job.
 */
import type { Claim, Claims } from '../jobs/ports.js';
import { runAttempt, type AttemptContext } from './attempt.js';
import { removeResult } from './results.js';
import { separateJob, type SeparatedJob, type SeparationContext } from './separate-job.js';
import { checkpointsOf } from './stored-checkpoints.js';

export interface JobContext extends AttemptContext, SeparationContext {
  claims: Claims;
}

/** Never rejects; see attempt.ts. */
export function runJob(context: JobContext, claim: Claim): Promise<void> {
  const { claims, storage, metrics } = context;
  const { job, cached } = claim;
  metrics.cache.inc({ outcome: cached ? 'hit' : 'miss' });
  return runAttempt<SeparatedJob>(context, {
    name: 'job',
    lease: claim,
    queue: claims,
    attempt: job.attempts,
    cached: cached !== undefined,
    active: metrics.jobsActive,
    work: async (progress, signal) =>
      cached ? { result: cached } : separateJob(context, job, progress, signal),
    onStage: (stage, seconds) => metrics.stageSeconds.observe({ stage }, seconds),
    complete: ({ result, usedModel }) => claims.complete(claim, result, usedModel),
    discard: async ({ result }) => {
      if (!cached) await removeResult(storage, result.id);
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
