/**
 * Delivers the ends of jobs to their callback URLs. Every process of the API has one: it is they who
 * make the documents of jobs and the tokens in them. What one of them leaves undone another does.
 */
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { inSpan, NO_TRACER, type Span, type Tracer } from '../observability/tracing.js';
import { withGrace } from '../lib/timeout.js';
import type { Job } from '../jobs/job.js';
import type { Deliveries, DeliveryClaim } from '../jobs/ports.js';
import { delayAfter, RETRIES, type Retries } from './retries.js';
import type { Outcome, Sender } from './sender.js';

/** Tries at a time: receivers that hang keep one for as long as the sender lets them. */
const PLACES = 16;
/** Milliseconds between looks for deliveries that are due. */
const POLL = 1_000;
/** Milliseconds that receivers have for their answers when we stop: who hangs must not hold that up. */
const LAST_ANSWERS = 2_000;
/** By this a receiver says that it wants no more of it. */
const GONE = 410;

export interface Deliverer {
  start(): void;
  /** Takes up nothing more, and soon breaks off what is left, which is tried again elsewhere. */
  stop(graceMs: number): Promise<void>;
}

export interface DelivererDependencies {
  deliveries: Deliveries;
  sender: Sender;
  /** What is delivered: the job as GET answers it. */
  document: (job: Job) => Promise<object>;
  logger: Logger;
  metrics: Pick<Metrics, 'webhooks' | 'webhooksWaiting' | 'webhookSeconds'>;
  /** Without it nothing is traced. */
  tracer?: Tracer;
  retries?: Retries;
  pollMs?: number;
}

export function createDeliverer({
  deliveries,
  sender,
  document,
  logger,
  metrics,
  tracer = NO_TRACER,
  retries = RETRIES,
  pollMs = POLL,
}: DelivererDependencies): Deliverer {
  const running = new Set<Promise<void>>();
  const breakOff = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let stopped = false;

  const deliver = (claim: DeliveryClaim): Promise<void> =>
    inSpan(
      tracer,
      'webhook',
      { kind: 'client', parent: claim.job.trace ?? undefined },
      async (span) => deliverWithin(span, claim),
    );

  async function deliverWithin(span: Span, { job, token, url }: DeliveryClaim): Promise<void> {
    const started = performance.now();
    const body = JSON.stringify(await document(job));
    const { signal } = breakOff;
    const outcome = await sender.send({ id: job.id, url, body, signal });
    const error = errorOf(outcome);
    const state = await deliveries.settle(
      { job, token },
      {
        status: 'status' in outcome ? outcome.status : null,
        error,
        ...('status' in outcome && isDelivered(outcome.status)
          ? { state: 'delivered' }
          : 'status' in outcome && outcome.status === GONE
            ? { state: 'failed' }
            : { state: 'pending', delayMs: delayAfter(job.webhook?.attempts ?? 1, retries) }),
      },
      retries.forMs,
    );
    span.set({
      'server.address': new URL(url).host,
      'oxboard.job.id': job.id,
      'oxboard.webhook.attempt': job.webhook?.attempts,
      'oxboard.webhook.state': state,
      'http.response.status_code': 'status' in outcome ? outcome.status : undefined,
    });
    if (error !== null) span.fail(error);
    const seconds = (performance.now() - started) / 1000;
    metrics.webhooks.inc({ outcome: state === 'pending' ? 'retried' : state });
    metrics.webhookSeconds.observe(seconds);
    const log = state === 'failed' ? logger.warn : logger.info;
    log(state === 'pending' ? 'webhook_postponed' : `webhook_${state}`, {
      job_id: job.id,
      // Without path and query, which may be the receiver's secret.
      host: new URL(url).host,
      attempt: job.webhook?.attempts,
      ...outcome,
      duration: Number(seconds.toFixed(4)),
    });
  }

  function begin(claim: DeliveryClaim): void {
    const delivery = deliver(claim)
      .catch((error: unknown) => {
        // Its lease ends, and it is tried again.
        if (!breakOff.signal.aborted) {
          logger.warn('webhook_not_settled', { job_id: claim.job.id, error });
        }
      })
      .finally(() => {
        running.delete(delivery);
        look();
      });
    running.add(delivery);
  }

  async function takeDue(): Promise<number> {
    while (!stopped && running.size < PLACES) {
      const { claim, waiting, nextMs } = await deliveries.claim();
      metrics.webhooksWaiting.set(waiting);
      if (!claim) return Math.min(nextMs ?? pollMs, pollMs);
      begin(claim);
    }
    return pollMs;
  }

  function look(): void {
    if (stopped || looking) return;
    clearTimeout(timer);
    looking = takeDue()
      .catch((error: unknown) => {
        logger.debug('webhooks_not_looked_for', { error });
        return pollMs;
      })
      .then((wait) => {
        looking = undefined;
        if (!stopped) timer = setTimeout(look, wait);
      });
  }

  return {
    start: look,
    async stop(graceMs) {
      stopped = true;
      clearTimeout(timer);
      await looking;
      await withGrace(Math.min(graceMs, LAST_ANSWERS), Promise.all(running), () =>
        breakOff.abort(new Error('The service stops')),
      );
      await sender.close();
    },
  };
}

const isDelivered = (status: number): boolean => status >= 200 && status < 300;

function errorOf(outcome: Outcome): string | null {
  if ('error' in outcome) return outcome.error;
  const { status } = outcome;
  if (isDelivered(status)) return null;
  const redirect = status >= 300 && status < 400 ? '; redirects are not followed' : '';
  return `the receiver answered ${String(status)}${redirect}`;
}
