/**
 * Forks the processes of a service, restarts those that end by themselves, and stops them all.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isErrorCode, OxboardError } from '../../errors.js';
import { withGrace } from '../../lib/timeout.js';
import type { Logger } from '../../observability/logger.js';
import type { Metrics } from '../../observability/metrics.js';
import { MetricsPool, type MetricsSource } from './metrics-pool.js';
import type { Facts, FromChild, Role, ToChild } from './role.js';
import type { Part } from './service.js';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));

/** Before each restart of a process in a row; the last delay from then on. */
const RESTART_DELAYS_MS = [200, 1_000, 2_000, 5_000, 10_000, 30_000];
/** A process that was ready for so long works: its next restart is the first again. */
const STABLE_MS = 60_000;
/** How often a process may end without an error before it was ever ready. */
const START_ATTEMPTS = 3;
/** For a process to end, beyond the grace, before it is killed. */
const KILL_DELAY_MS = 2_000;

interface ManagedProcess {
  role: Role;
  name: string;
  child: Worker | undefined;
  restartTimer: NodeJS.Timeout | undefined;
  /** How often it ended since it was last stable. */
  exits: number;
  readyAt: number | undefined;
  /** The error that ended the current start. */
  failure: OxboardError | undefined;
  everReady: boolean;
  onReady: (facts: Facts) => void;
}

export interface SupervisorOptions {
  /** How many processes of each role. */
  counts: Partial<Record<Role, number>>;
  /** Environment variables for the processes, besides our own. */
  environment: NodeJS.ProcessEnv;
  logger: Logger;
  metrics: Metrics;
  /** A process does not start at all. */
  onGivenUp: (error: unknown) => void;
}

export class Supervisor implements Part {
  readonly #options: SupervisorOptions;
  readonly #processes: ManagedProcess[] = [];
  readonly #pool: MetricsPool;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#pool = new MetricsPool(options.metrics.registry);
  }

  /** Metrics of all processes and of this one. */
  readonly metrics = (): Promise<string> => this.#pool.metrics();

  /** Resolves when each process was ready once, with the facts of the first of each role. */
  async start(): Promise<Partial<Record<Role, Facts>>> {
    const facts: Partial<Record<Role, Facts>> = {};
    const entries = Object.entries(this.#options.counts) as [Role, number][];
    await Promise.all(
      entries.flatMap(([role, count]) =>
        Array.from({ length: count }, async (_, at) => {
          const name = count === 1 ? role : `${role}-${at + 1}`;
          const ready = await new Promise<Facts>((onReady) => this.#add(role, name, onReady));
          facts[role] ??= ready;
        }),
      ),
    );
    return facts;
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#processes.map(async ({ child, restartTimer }) => {
        clearTimeout(restartTimer);
        if (!child || child.isDead()) return;
        const ended = once(child, 'exit');
        send(child, { type: 'stop', graceMs });
        await withGrace(graceMs + KILL_DELAY_MS, ended, () => child.process.kill('SIGKILL'));
      }),
    );
  }

  kill(): void {
    for (const { child } of this.#processes) child?.process.kill('SIGKILL');
  }

  #add(role: Role, name: string, onReady: (facts: Facts) => void): void {
    const managed: ManagedProcess = {
      role,
      name,
      child: undefined,
      restartTimer: undefined,
      exits: 0,
      readyAt: undefined,
      failure: undefined,
      everReady: false,
      onReady,
    };
    this.#processes.push(managed);
    this.#fork(managed);
  }

  #fork(managed: ManagedProcess): void {
    if (this.#stopping) return;
    const { environment, logger } = this.#options;
    const { role, name } = managed;
    // Processes accept connections themselves. One that this process had accepted for a process that
    // is killed would stay open, and its client would wait for ever.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: CHILD, args: [role, name] });
    const child = cluster.fork(environment);
    managed.child = child;
    managed.readyAt = undefined;
    managed.failure = undefined;
    const source: MetricsSource = { ask: (id) => send(child, { type: 'metrics', id }) };

    child.on('message', (message: FromChild) => {
      switch (message.type) {
        case 'ready':
          managed.readyAt = performance.now();
          managed.everReady = true;
          this.#pool.add(source);
          logger.info('process_ready', { name, pid: child.process.pid });
          managed.onReady(message.facts);
          break;
        case 'failed':
          managed.failure = new OxboardError(
            isErrorCode(message.code) ? message.code : 'INTERNAL',
            message.message,
          );
          break;
        case 'metrics':
          this.#pool.answer(message.id, message.snapshot);
          break;
      }
    });
    // A message to a process that just ended cannot be delivered.
    child.on('error', (error) => logger.debug('process_unreachable', { name, error }));
    child.on('exit', (status: number | null, signal: string | null) => {
      this.#pool.remove(source);
      if (!this.#stopping) this.#onExit(managed, status, signal);
    });
  }

  #onExit(managed: ManagedProcess, status: number | null, signal: string | null): void {
    const { logger, metrics, onGivenUp } = this.#options;
    const { name, role, readyAt, failure } = managed;
    const wasStable = readyAt !== undefined && performance.now() - readyAt > STABLE_MS;
    managed.exits = wasStable ? 1 : managed.exits + 1;
    if (!managed.everReady && (failure ?? managed.exits >= START_ATTEMPTS)) {
      onGivenUp(failure ?? neverReady(managed, status, signal));
      return;
    }
    const delayMs = RESTART_DELAYS_MS[managed.exits - 1] ?? RESTART_DELAYS_MS.at(-1) ?? 0;
    logger.error('process_ended', {
      name,
      status,
      signal,
      restart_in: delayMs / 1000,
      ...(failure && { error: failure }),
    });
    metrics.restarts.inc({ role });
    managed.restartTimer = setTimeout(() => this.#fork(managed), delayMs);
  }
}

function send(child: Worker, message: ToChild): void {
  if (child.isConnected()) child.send(message);
}

function neverReady(
  { name, exits }: ManagedProcess,
  status: number | null,
  signal: string | null,
): OxboardError {
  return new OxboardError(
    'INTERNAL',
    `The ${name} process ended ${exits} times before it was ready, last by ` +
      `${signal ?? `exit status ${status ?? 'unknown'}`}. oxboard doctor shows what does not work`,
  );
}
