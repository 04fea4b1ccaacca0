/**
 * Runs what is claimed on wake-ups, as much at a time as there are slots, until it is stopped.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { withGrace } from '../lib/timeout.js';
import type { Logger } from '../observability/logger.js';
import type { Dispatcher, Lease } from '../jobs/ports.js';
import { Interruption } from './interruption.js';

export interface HostOptions<Claim extends Lease> {
  /** Closed by `stop`. */
  dispatcher: Pick<Dispatcher, 'listen' | 'close'>;
  slots: number;
  claim: (workerId: string) => Promise<Claim | undefined>;
  run: (claim: Claim) => Promise<void>;
  /** Called when `active` has changed. */
  onChange?: () => void;
  logger: Logger;
}

export class Host<Claim extends Lease> {
  readonly id = `${hostname()}-${String(process.pid)}-${randomUUID().slice(0, 8)}`;
  readonly #options: HostOptions<Claim>;
  readonly #running = new Set<Promise<void>>();
  readonly #graceOver = new AbortController();
  #active = 0;
  #isStopping = false;

  constructor(options: HostOptions<Claim>) {
    this.#options = options;
  }

  /** How many claims run. */
  get active(): number {
    return this.#active;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Aborted by an Interruption when what runs has to end now. */
  get stopping(): AbortSignal {
    return this.#graceOver.signal;
  }

  start(): void {
    const { dispatcher, slots, logger } = this.#options;
    dispatcher.listen(slots, () => {
      const work = this.#work()
        .catch((error: unknown) => {
          // Only the wake-up is lost: the sweeper sends another for the job.
          logger.warn('claim_failed', { error });
        })
        .finally(() => this.#running.delete(work));
      this.#running.add(work);
      return work;
    });
  }

  /** Claims nothing more, and waits for what runs; after `graceMs` that is interrupted. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const closed = this.#options.dispatcher.close();
    await withGrace(graceMs, this.#idle(), () =>
      this.#graceOver.abort(new Interruption('stopping')),
    );
    await closed;
  }

  async #work(): Promise<void> {
    if (this.#isStopping) return;
    const { claim, run, onChange } = this.#options;
    const claimed = await claim(this.id);
    if (!claimed) return;
    this.#active++;
    onChange?.();
    try {
      await run(claimed);
    } finally {
      this.#active--;
      onChange?.();
    }
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
