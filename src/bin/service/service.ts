/**
 * The life of a command that serves: its parts are started one after the other and stopped in
 * reverse, on a signal or when one of them cannot go on.
 */
import type { Logger } from '../../observability/logger.js';
import { dieBy } from '../signals.js';

export interface Part {
  /** Ends its work within about `graceMs`, and gives back what it holds. */
  stop(graceMs: number): Promise<void>;
  /** Ends what would outlive this process, at once. Synchronous. */
  kill(): void;
}

/** Milliseconds: Docker kills a container 10 seconds after it told it to stop. */
export const STOP_GRACE = 8_000;

/** Milliseconds within which a signal is the same one: a terminal and npm may both tell it. */
const ECHO = 500;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Service {
  readonly #logger: Logger;
  readonly #parts: Part[] = [];
  /** Those of {@link Service.#parts} that are to be stopped. */
  readonly #running: Part[] = [];
  readonly #failed: Promise<never>;
  #fail!: (error: unknown) => void;
  #stopping: Promise<void> | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#failed = new Promise<never>((_resolve, reject) => (this.#fail = reject));
    this.#failed.catch(() => undefined);
  }

  /** Ends the service with that error: a part cannot go on. */
  readonly fail = (error: unknown): void => this.#fail(error);

  add<T extends Part>(part: T): T {
    this.#parts.push(part);
    this.#running.push(part);
    // It was being started when the service was told to stop.
    if (this.#stopping) this.#stopping = this.#stopping.then(() => this.#stopParts());
    return part;
  }

  /**
   * Starts, and serves until a signal comes, by which this process then dies; a second one ends it
   * at once.
   *
   * @throws what `start` throws or a part failed with, once all is stopped.
   */
  async run(start: () => Promise<void>): Promise<never> {
    this.#listenToSignals();
    try {
      await Promise.race([start(), this.#failed]);
      return await this.#failed;
    } catch (error) {
      // A start that was broken off by a signal fails as it likes; the signal has the last word.
      if (this.#stopping) return await new Promise<never>(() => undefined);
      await this.#stop();
      throw error;
    }
  }

  #listenToSignals(): void {
    let first: number | undefined;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (first !== undefined) {
          if (performance.now() - first < ECHO) return;
          for (const part of this.#parts) part.kill();
          dieBy(signal);
        }
        first = performance.now();
        this.#logger.info('stopping', { signal });
        void this.#stop().then(() => {
          this.#logger.info('stopped', { signal });
          dieBy(signal);
        });
      });
    }
  }

  async #stop(): Promise<void> {
    this.#stopping ??= this.#stopParts();
    let stopping: Promise<void> | undefined;
    while (stopping !== this.#stopping) {
      stopping = this.#stopping;
      await stopping;
    }
  }

  async #stopParts(): Promise<void> {
    for (let part = this.#running.pop(); part; part = this.#running.pop()) {
      try {
        await part.stop(STOP_GRACE);
      } catch (error) {
        this.#logger.error('stop_failed', { error });
      }
    }
  }
}
