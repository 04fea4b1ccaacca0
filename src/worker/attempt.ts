/**
 * One attempt at a job, from its claim to its end: keeps the lease, reports progress, tries again
 * after transient errors, and settles the job. What the work is, and how it is completed, is the
 * task's: see run-job.ts and run-download.ts.
 */
import { doublingDelays, retry } from '../lib/retry.js';
import { within } from '../lib/timeout.js';
import { withLogContext, type Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { NO_TRACER, type Tracer } from '../observability/tracing.js';
import type { JobFailure } from '../jobs/job.js';
import type { Claims, Lease, Revocation } from '../jobs/ports.js';
import { AttemptTrace } from './attempt-trace.js';
import { jobFailureOf, isOutage, isRedisAway, isTransient } from './failures.js';
import { Interruption } from './interruption.js';
import { keepLease, type KeptLease } from './lease.js';
import { reportProgress, type ProgressReporter, type WorkStage } from './progress.js';

export interface AttemptContext {
  logger: Logger;
  metrics: Metrics;
  /** Without it nothing is traced. */
  tracer?: Tracer | undefined;
  /** Milliseconds between renewals of the lease. */
  renewalMs: number;
  /** Milliseconds before each further try. */
  retryDelaysMs: readonly number[];
  /** Aborted by an Interruption when the worker has to end now. */
  stopping: AbortSignal;
}

/** How an attempt ended. `lost`: the job is another worker's, or will be when the lease runs out. */
export type AttemptEnd<Result> =
  | { outcome: 'completed'; result: Result }
  | { outcome: 'failed'; code: string }
  | { outcome: Revocation | 'handed_back' };

export interface Task<Result> {
  /** Of the span; log events begin with it. */
  name: 'job' | 'download';
  lease: Lease;
  queue: Pick<Claims, 'renew' | 'onRevoked' | 'progress' | 'fail' | 'handBack'>;
  /** Counts attempts at the job; the first is 1. */
  attempt: number;
  /** Whether the result is there already. */
  cached?: boolean;
  /** Counts attempts that run. */
  active: Metrics['jobsActive'];
  /** One try. @throws OxboardError; `signal.reason`. */
  work(progress: ProgressReporter, signal: AbortSignal): Promise<Result>;
  /** Called with the seconds that a stage took. */
  onStage?(stage: WorkStage, seconds: number): void;
  /** Settles the job; safe to repeat. @returns false when the lease is void. */
  complete(result: Result): Promise<boolean>;
  /** Removes a result that no job has. */
  discard(result: Result): Promise<void>;
  /** Removes what nobody needs after the end of the job. */
  cleanUp?(): Promise<void>;
  /** Counts the attempt in the metrics. */
  count(end: AttemptEnd<Result>, seconds: number): void;
}

/** The janitor removes later what a storage that hangs does not remove in time. */
const REMOVAL_TIMEOUT_MS = 3_000;
const FIRST_ANSWER_DELAY_MS = 250;
const LONGEST_ANSWER_DELAY_MS = 5_000;

/** Never rejects: the queue, the log and the metrics are told what becomes of the job. */
export function runAttempt<Result>(context: AttemptContext, task: Task<Result>): Promise<void> {
  const { name, attempt, cached } = task;
  const { job } = task.lease;
  const trace = new AttemptTrace(context.tracer ?? NO_TRACER, name, job, {
    'oxboard.job.attempt': attempt,
    'oxboard.job.cached': cached,
  });
  const fields = { job_id: job.id, request_id: job.requestId, model: job.request.model };
  return trace.run(() => withLogContext(fields, () => new Attempt(context, task, trace).run()));
}

class Attempt<Result> {
  readonly #context: AttemptContext;
  readonly #task: Task<Result>;
  readonly #trace: AttemptTrace;
  readonly #lease: KeptLease;

  constructor(context: AttemptContext, task: Task<Result>, trace: AttemptTrace) {
    this.#context = context;
    this.#task = task;
    this.#trace = trace;
    this.#lease = keepLease(task.queue, task.lease, context);
  }

  async run(): Promise<void> {
    const { logger } = this.#context;
    const { name, attempt, cached, active } = this.#task;
    const began = performance.now();
    logger.info(`${name}_started`, { attempt, cached });
    active.inc();
    const end = await this.#settle().catch((error: unknown) => {
      // Redis or the storage does not answer: the lease runs out, and another worker gets the job.
      logger.error(`${name}_let_go`, { error });
      this.#trace.fail(error);
      return { outcome: 'lost' as const };
    });
    const { outcome } = end;
    const duration = (performance.now() - began) / 1000;
    this.#task.count(end, duration);
    if (outcome !== 'handed_back' && outcome !== 'lost') {
      await this.#remove(async () => this.#task.cleanUp?.());
    }
    this.#lease.release();
    active.dec();
    logger.info(`${name}_${outcome}`, { duration });
    this.#trace.end(outcome);
  }

  async #settle(): Promise<AttemptEnd<Result>> {
    try {
      const result = await this.#work();
      if (await this.#answered(() => this.#task.complete(result))) {
        return { outcome: 'completed', result };
      }
      await this.#remove(() => this.#task.discard(result));
      return await this.#whyVoid();
    } catch (error) {
      return this.#giveUp(error);
    }
  }

  async #work(): Promise<Result> {
    const { logger, retryDelaysMs } = this.#context;
    const { signal } = this.#lease;
    const progress = this.#trace.follow(
      reportProgress(
        (now) => this.#report(now),
        (stage, seconds) => this.#task.onStage?.(stage, seconds),
      ),
    );
    try {
      return await retry(() => this.#task.work(progress, signal), {
        delaysMs: retryDelaysMs,
        isTransient,
        onRetry: (error) => {
          logger.warn(`${this.#task.name}_retried`, { error });
          this.#trace.failStage(error);
        },
        signal,
      });
    } catch (error) {
      this.#trace.failStage(error);
      throw error;
    } finally {
      await progress.flush();
    }
  }

  async #report(now: Parameters<Claims['progress']>[1]): Promise<void> {
    const { queue, lease } = this.#task;
    try {
      if (!(await queue.progress(lease, now))) await this.#lease.check();
    } catch (error) {
      this.#context.logger.debug('progress_not_reported', { error });
    }
  }

  async #giveUp(error: unknown): Promise<AttemptEnd<Result>> {
    if (error instanceof Interruption) {
      return error.why === 'stopping' ? this.#handBack() : { outcome: error.why };
    }
    const failure = jobFailureOf(error, this.#task.lease.job.request);
    if (isOutage(error)) {
      this.#context.logger.warn(`${this.#task.name}_waits`, { error });
      return this.#handBack(failure);
    }
    return this.#fail(error, failure);
  }

  async #handBack(outage?: JobFailure): Promise<AttemptEnd<Result>> {
    const { queue, lease } = this.#task;
    return (await queue.handBack(lease, outage)) ? { outcome: 'handed_back' } : this.#whyVoid();
  }

  async #fail(error: unknown, failure: JobFailure): Promise<AttemptEnd<Result>> {
    const { logger, metrics } = this.#context;
    const { name, queue, lease } = this.#task;
    const { code } = failure;
    logger[code === 'INTERNAL' ? 'error' : 'warn'](`${name}_error`, { error });
    this.#trace.fail(error);
    if (!(await this.#answered(() => queue.fail(lease, failure)))) return this.#whyVoid();
    metrics.errorsTotal.inc({ code });
    return { outcome: 'failed', code };
  }

  async #whyVoid(): Promise<AttemptEnd<Result>> {
    await this.#lease.check();
    const { reason } = this.#lease.signal as { reason: unknown };
    const cancelled = reason instanceof Interruption && reason.why === 'cancelled';
    return { outcome: cancelled ? 'cancelled' : 'lost' };
  }

  /** Asks Redis until it answers. */
  #answered<T>(ask: () => Promise<T>): Promise<T> {
    const delaysMs = doublingDelays(FIRST_ANSWER_DELAY_MS, LONGEST_ANSWER_DELAY_MS);
    return retry(ask, { delaysMs, isTransient: isRedisAway, signal: this.#lease.signal });
  }

  async #remove(remove: () => Promise<void>): Promise<void> {
    await within(REMOVAL_TIMEOUT_MS, remove()).catch((error: unknown) => {
      this.#context.logger.warn('files_not_removed', { error });
    });
  }
}
