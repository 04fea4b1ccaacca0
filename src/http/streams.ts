/**
 * Streams of events that are open, so that they can be ended together when the service stops.
 */
export class OpenStreams {
  readonly #open = new Set<AbortController>();

  /** A signal that aborts when the service stops; `done` when the stream has ended by itself. */
  add(): { signal: AbortSignal; done: () => void } {
    const controller = new AbortController();
    this.#open.add(controller);
    return {
      signal: controller.signal,
      done: () => {
        this.#open.delete(controller);
        // Whatever still waits for the stream's events is told that nobody listens.
        controller.abort();
      },
    };
  }

  endAll(): void {
    for (const controller of this.#open) controller.abort();
    this.#open.clear();
  }
}
