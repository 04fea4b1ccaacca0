/**
 * The worker's one job: from a claim to its end, whatever happens.
 */
import { withLogContext } from '../observability/logger.js';
import type { Tracer } from '../observability/tracing.js';
import type { JobResult } from '../jobs/job.js';
import type { Claim, Claims } from '../jobs/ports.js';
import { within } from '../lib/timeout.js';
import { AttemptTrace } from './attempt-trace.js';
import { keepClaim, type ClaimKeeper } from './claim-keeper.js';
import { describeFailure, isOutage, isOutOfMemory, mayPass } from './failures.js';
import { Interruption } from './interruption.js';
import { untilAnswered, withRetries, type Patience } from './patience.js';
import { reportProgress } from './progress.js';
import { removeResult } from './results.js';
import { checkpointsOf, separateJob, TryFailed, type SeparationContext } from './separate-job.js';

export interface JobContext extends SeparationContext {
  claims: Claims;
  tracer: Tracer;
  /** Milliseconds between renewals of the claim. */
  renewalMs: number;
  /** Between tries at work that failed by something that may pass. */
  patience: Patience;
  /** Aborted by an Interruption when the worker has to end now. */
  stopping: AbortSignal;
}

/** Milliseconds: what a storage that hangs does not remove in time is in the trash of the queue, too. */
const REMOVAL_MS = 3_000;

/** As the metric of attempts names them. */
type Outcome = 'completed' | 'failed' | 'cancelled' | 'handed_back' | 'lost';

/** Never rejects: what becomes of the job is told to the queue, the log and the metrics. */
export function runJob(context: JobContext, claim: Claim): Promise<void> {
  const { job } = claim;
  const fields = { job_id: job.id, request_id: job.requestId, model: job.request.model };
  const trace = new AttemptTrace(context.tracer, 'job', job, {
    'oxboard.job.attempt': job.attempts,
    'oxboard.job.cached': claim.cached !== undefined,
  });
  const work = async () => {
    const { logger, metrics } = context;
    const began = performance.now();
    logger.info('job_started', { attempt: job.attempts, cached: claim.cached !== undefined });
    metrics.jobsActive.inc();
    const keeper = keepClaim(context.claims, claim, context);
    let outcome: Outcome = 'lost';
    try {
      outcome = await new Attempt(context, claim, keeper, trace).run();
    } catch (error) {
      // Redis is away or the storage is; the claim runs out, and the job goes on elsewhere.
      logger.error('job_let_go', { error });
      trace.fail(error);
    } finally {
      keeper.release();
      metrics.jobsActive.dec();
      metrics.attempts.inc({ outcome });
      logger.info(`job_${outcome}`, { duration: (performance.now() - began) / 1000 });
      trace.end(outcome);
    }
  };
  return trace.run(() => withLogContext(fields, work));
}

class Attempt {
  readonly #context: JobContext;
  readonly #claim: Claim;
  readonly #keeper: ClaimKeeper;
  readonly #trace: AttemptTrace;

  constructor(context: JobContext, claim: Claim, keeper: ClaimKeeper, trace: AttemptTrace) {
    this.#context = context;
    this.#claim = claim;
    this.#keeper = keeper;
    this.#trace = trace;
  }

  async run(): Promise<Outcome> {
    const { metrics } = this.#context;
    const { cached } = this.#claim;
    metrics.cache.inc({ outcome: cached ? 'hit' : 'miss' });
    try {
      if (cached) return await this.#complete(cached);
      const { result, usedModel } = await this.#separate();
      const outcome = await this.#complete(result, usedModel);
      // Who has it now has made a result of its own.
      if (outcome !== 'completed') await removeResult(this.#context.storage, result.id);
      else this.#observe(result);
      return outcome;
    } catch (error) {
      return this.#settle(error);
    }
  }

  async #separate(): ReturnType<typeof separateJob> {
    const { claims, logger, metrics, patience, separators } = this.#context;
    const reporter = reportProgress(
      async (now) => {
        try {
          if (!(await claims.progress(this.#claim, now))) await this.#keeper.check();
        } catch (error) {
          logger.debug('progress_not_told', { error });
        }
      },
      (stage, seconds) => metrics.stageSeconds.observe({ stage }, seconds),
    );
    const progress = this.#trace.follow(reporter);
    try {
      return await withRetries(
        () => separateJob(this.#context, this.#claim.job, progress, this.#keeper.signal),
        {
          patience,
          mayPass: (error) => mayPass(causeOf(error)),
          onRetry: (failure) => {
            const error = causeOf(failure);
            logger.warn('job_retried', { error });
            this.#trace.failStage(error);
            if (isOutOfMemory(error)) separators.disposeIdle();
          },
          signal: this.#keeper.signal,
        },
      );
    } catch (error) {
      this.#trace.failStage(causeOf(error));
      throw error;
    } finally {
      await progress.flush();
    }
  }

  async #complete(result: JobResult, usedModel?: string): Promise<Outcome> {
    const { claims } = this.#context;
    const done = await untilAnswered(
      () => claims.complete(this.#claim, result, usedModel),
      this.#keeper.signal,
    );
    if (!done) return this.#whyVoid();
    this.#context.metrics.jobsTotal.inc({ status: 'completed' });
    await this.#removeCheckpoints();
    return 'completed';
  }

  async #settle(thrown: unknown): Promise<Outcome> {
    const error = causeOf(thrown);
    if (error instanceof Interruption) {
      if (error.why === 'stopping') return this.#handBack();
      if (error.why === 'cancelled') await this.#removeCheckpoints();
      return error.why;
    }
    if (isOutage(error)) {
      this.#context.logger.warn('job_waits', { error });
      return this.#handBack();
    }
    const { claims, logger, metrics } = this.#context;
    const { request } = this.#claim.job;
    const inputPath = thrown instanceof TryFailed ? thrown.inputPath : undefined;
    const failure = describeFailure(error, request, inputPath);
    logger[failure.code === 'INTERNAL' ? 'error' : 'warn']('job_error', { error });
    this.#trace.fail(error);
    const done = await untilAnswered(() => claims.fail(this.#claim, failure), this.#keeper.signal);
    if (!done) return this.#whyVoid();
    metrics.jobsTotal.inc({ status: 'failed' });
    metrics.errorsTotal.inc({ code: failure.code });
    await this.#removeCheckpoints();
    return 'failed';
  }

  async #handBack(): Promise<Outcome> {
    const done = await this.#context.claims.handBack(this.#claim);
    return done ? 'handed_back' : this.#whyVoid();
  }

  async #whyVoid(): Promise<Outcome> {
    await this.#keeper.check();
    const { reason } = this.#keeper.signal as { reason: unknown };
    const cancelled = reason instanceof Interruption && reason.why === 'cancelled';
    if (cancelled) await this.#removeCheckpoints();
    return cancelled ? 'cancelled' : 'lost';
  }

  async #removeCheckpoints(): Promise<void> {
    const { storage, logger } = this.#context;
    const removed = storage.removeAll(checkpointsOf(this.#claim.job.id));
    await within(REMOVAL_MS, removed).catch((error: unknown) => {
      logger.warn('checkpoints_not_removed', { error });
    });
  }

  #observe({ processingSeconds, realtimeFactor }: JobResult): void {
    const { metrics } = this.#context;
    const { model } = this.#claim.job.request;
    metrics.processingSeconds.observe(processingSeconds);
    metrics.realtimeFactor.observe({ model }, realtimeFactor);
    metrics.audioSeconds.inc({ model }, processingSeconds * realtimeFactor);
  }
}

const causeOf = (error: unknown): unknown => (error instanceof TryFailed ? error.cause : error);
