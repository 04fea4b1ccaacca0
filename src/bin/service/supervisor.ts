/**
 * Forks the processes of a service, starts again what ends by itself, and stops them all.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isErrorCode, OxboardError } from '../../errors.js';
import { withGrace } from '../../lib/timeout.js';
import type { Logger } from '../../observability/logger.js';
import type { Metrics } from '../../observability/metrics.js';
import type { Facts, FromChild, Role, ToChild } from './messages.js';
import { MetricsPool, type MetricsSource } from './metrics-pool.js';
import type { Part } from './service.js';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));

/** Milliseconds before a process that ended is started again; the last one from then on. */
const RESTART_DELAYS = [200, 1_000, 2_000, 5_000, 10_000, 30_000];
/** Milliseconds after which a process counts as one that works. */
const STEADY = 60_000;
/** Deaths without a word before it was ready, after which a start is given up. */
const START_ATTEMPTS = 3;
/** Milliseconds that a process has, beyond the grace, to end itself once it was told to stop. */
const STOP_MARGIN = 2_000;

interface Post {
  role: Role;
  name: string;
  process: Worker | undefined;
  timer: NodeJS.Timeout | undefined;
  /** Since it last worked for a while. */
  deaths: number;
  readyAt: number | undefined;
  /** Of this start. */
  failure: OxboardError | undefined;
  everReady: boolean;
  onReady: (facts: Facts) => void;
}

export interface SupervisorOptions {
  crew: readonly { role: Role; count: number }[];
  /** Environment variables for the processes, besides our own. */
  environment: NodeJS.ProcessEnv;
  logger: Logger;
  metrics: Metrics;
  /** A process does not start at all. */
  onGivenUp: (error: unknown) => void;
}

export class Supervisor implements Part {
  readonly #options: SupervisorOptions;
  readonly #posts: Post[] = [];
  readonly #pool: MetricsPool;
  #stopping: { graceMs: number } | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#pool = new MetricsPool(options.metrics.registry);
  }

  /** Metrics of all processes and of this one. */
  readonly metrics = (): Promise<string> => this.#pool.metrics();

  /** Resolves when each process was ready once, with what the first of each role told. */
  async start(): Promise<Partial<Record<Role, Facts>>> {
    const { crew } = this.#options;
    const facts: Partial<Record<Role, Facts>> = {};
    await Promise.all(
      crew.flatMap(({ role, count }) =>
        Array.from({ length: count }, async (_, at) => {
          const ready = await new Promise<Facts>((resolve) =>
            this.#fork({
              role,
              name: count === 1 ? role : `${role}-${at + 1}`,
              process: undefined,
              timer: undefined,
              deaths: 0,
              readyAt: undefined,
              failure: undefined,
              everReady: false,
              onReady: resolve,
            }),
          );
          facts[role] ??= ready;
        }),
      ),
    );
    return facts;
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = { graceMs };
    await Promise.all(
      this.#posts.map(async ({ process: child, timer }) => {
        clearTimeout(timer);
        if (!child || child.isDead()) return;
        const ended = once(child, 'exit');
        tell(child, { type: 'stop', graceMs });
        await withGrace(graceMs + STOP_MARGIN, ended, () => child.process.kill('SIGKILL'));
      }),
    );
  }

  kill(): void {
    for (const { process: child } of this.#posts) child?.process.kill('SIGKILL');
  }

  #fork(post: Post): void {
    if (this.#stopping) return;
    const { environment, logger } = this.#options;
    cluster.setupPrimary({ exec: CHILD, args: [post.role, post.name] });
    const child = cluster.fork(environment);
    post.process = child;
    post.readyAt = undefined;
    post.failure = undefined;
    if (!this.#posts.includes(post)) this.#posts.push(post);
    const source: MetricsSource = { ask: (id) => tell(child, { type: 'metrics', id }) };

    child.on('message', (message: FromChild) => {
      switch (message.type) {
        case 'ready':
          post.readyAt = performance.now();
          post.everReady = true;
          this.#pool.add(source);
          logger.info('process_ready', { name: post.name, pid: child.process.pid });
          post.onReady(message.facts);
          break;
        case 'failed':
          post.failure = new OxboardError(
            isErrorCode(message.code) ? message.code : 'INTERNAL',
            message.message,
          );
          break;
        case 'metrics':
          this.#pool.answer(message.id, message.snapshot);
          break;
      }
    });
    // A message to a process that just ended has nobody to go to.
    child.on('error', (error) => logger.debug('process_unreachable', { name: post.name, error }));
    child.on('exit', (status: number | null, signal: string | null) => {
      void this.#pool.remove(source);
      if (!this.#stopping) this.#onDeath(post, status, signal);
    });
  }

  #onDeath(post: Post, status: number | null, signal: string | null): void {
    const { logger, metrics, onGivenUp } = this.#options;
    const steady = post.readyAt !== undefined && performance.now() - post.readyAt > STEADY;
    post.deaths = steady ? 1 : post.deaths + 1;
    if (!post.everReady && (post.failure ?? post.deaths >= START_ATTEMPTS)) {
      onGivenUp(post.failure ?? neverReady(post, status, signal));
      return;
    }
    const delay = RESTART_DELAYS[Math.min(post.deaths, RESTART_DELAYS.length) - 1] ?? 0;
    const { name, role } = post;
    logger.error('process_ended', {
      name,
      status,
      signal,
      restart_in: delay / 1000,
      ...(post.failure && { error: post.failure }),
    });
    metrics.restarts.inc({ role });
    post.timer = setTimeout(() => this.#fork(post), delay);
  }
}

function tell(child: Worker, message: ToChild): void {
  if (child.isConnected()) child.send(message);
}

function neverReady(
  { name, deaths }: Post,
  status: number | null,
  signal: string | null,
): OxboardError {
  return new OxboardError(
    'INTERNAL',
    `The ${name} process ended ${deaths} times before it was ready, last by ` +
      `${signal ?? `exit status ${status ?? 'unknown'}`}. oxboard doctor tells what does not work`,
  );
}
