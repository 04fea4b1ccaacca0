/**
 * Notices a connection that has died without an error: nothing comes any more, not even the service's
 * signs of life.
 */
import { ServiceError } from './service-error.js';

export class Silence {
  readonly #abort = new AbortController();
  #limitMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param limitMs longest time without a byte, beginning now. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.broken();
  }

  /** Aborts with SERVICE_UNREACHABLE when it has lasted too long. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Tells that something came. @param limitMs the limit from now on. */
  broken(limitMs = this.#limitMs): void {
    this.#limitMs = limitMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const text = `Nothing has come from the service for ${String(limitMs)} ms`;
      this.#abort.abort(new ServiceError('SERVICE_UNREACHABLE', text));
    }, limitMs);
  }

  /** Stops watching. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
