/**
 * The life of a command that serves: its parts are started one after the other and stopped in
 * reverse, on a signal or when one of them cannot go on.
 */
import type { Logger } from '../../observability/logger.js';
import { exitWithSignal, STOP_SIGNALS } from '../signals.js';
import { explainDenied } from './data-dir.js';

export interface Part {
  /** Ends its work within about `graceMs`, and gives back what it holds. */
  stop(graceMs: number): Promise<void>;
  /** Ends what would outlive this process, at once. Synchronous. */
  kill(): void;
}

/** Docker kills a container 10 seconds after it asked it to stop. */
export const STOP_GRACE_MS = 8_000;

/** Within this time a signal is a repetition: a terminal and npm may both send it. */
const SAME_SIGNAL_MS = 500;

export class Service {
  readonly #logger: Logger;
  readonly #parts: Part[] = [];
  /** Those of {@link Service.#parts} that are still to be stopped. */
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
   * Starts, and serves until a signal comes, which then ends this process; a second signal ends it at
   * once.
   *
   * @throws what `start` throws or a part failed with, once all is stopped.
   */
  async run(start: () => Promise<void>): Promise<never> {
    this.#listenToSignals();
    try {
      await Promise.race([start(), this.#failed]);
      return await this.#failed;
    } catch (error) {
      // A start that a signal interrupts may fail in any way; the signal ends the process.
      if (this.#stopping) return await new Promise<never>(() => undefined);
      await this.#stop();
      throw await explainDenied(error);
    }
  }

  #listenToSignals(): void {
    let firstAt: number | undefined;
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        if (firstAt !== undefined) {
          if (performance.now() - firstAt < SAME_SIGNAL_MS) return;
          for (const part of this.#parts) part.kill();
          exitWithSignal(signal);
        }
        firstAt = performance.now();
        this.#logger.info('stopping', { signal });
        void this.#stop().then(() => {
          this.#logger.info('stopped', { signal });
          exitWithSignal(signal);
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
        await part.stop(STOP_GRACE_MS);
      } catch (error) {
        this.#logger.error('stop_failed', { error });
      }
    }
  }
}

/** Logs errors that nobody caught and ends the process, whose state is unknown then. */
export function exitOnUncaughtErrors(logger: Logger): void {
  // Unhandled rejections arrive here as well. The command line's own listener comes later.
  process.prependListener('uncaughtException', (error, origin) => {
    logger.error('process_crashed', { origin, error });
    process.exit(1);
  });
}
