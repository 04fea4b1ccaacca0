/**
 * The metrics of all processes of one service, as one.
 */
import { AggregatorRegistry, type Registry } from 'prom-client';
import { within } from '../../lib/timeout.js';
import type { MetricsSnapshot } from './role.js';

/** After this time the last metrics of a process count again. */
const ANSWER_TIMEOUT_MS = 2_000;

/** A process that can be asked for its metrics. */
export interface MetricsSource {
  ask(id: number): void;
}

export class MetricsPool {
  readonly #own: Registry;
  /** The latest metrics of each process. */
  readonly #sources = new Map<MetricsSource, MetricsSnapshot>();
  readonly #waiting = new Map<number, (snapshot: MetricsSnapshot) => void>();
  /** What ended processes had counted: a counter never goes back. One sum follows the other. */
  #ended: Promise<MetricsSnapshot> = Promise.resolve([]);
  #requests = 0;

  constructor(own: Registry) {
    this.#own = own;
  }

  add(source: MetricsSource): void {
    this.#sources.set(source, []);
  }

  /** The process ended. */
  remove(source: MetricsSource): void {
    const last = this.#sources.get(source);
    if (last === undefined) return;
    this.#sources.delete(source);
    const counted = last.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
    this.#ended = this.#ended.then((ended) =>
      AggregatorRegistry.aggregate([ended, counted]).getMetricsAsJSON(),
    );
  }

  /** The answer to {@link MetricsSource.ask}. */
  answer(id: number, snapshot: MetricsSnapshot): void {
    this.#waiting.get(id)?.(snapshot);
  }

  /** In Prometheus' text format. */
  async metrics(): Promise<string> {
    await Promise.all([...this.#sources.keys()].map((source) => this.#update(source)));
    const own = await this.#own.getMetricsAsJSON();
    // Taken at one moment: a process that ends meanwhile is in one of the two, not in both.
    const [ended, running] = [this.#ended, [...this.#sources.values()]];
    return AggregatorRegistry.aggregate([own, await ended, ...running]).metrics();
  }

  async #update(source: MetricsSource): Promise<void> {
    const id = this.#requests++;
    try {
      const answer = new Promise<MetricsSnapshot>((resolve) => {
        this.#waiting.set(id, resolve);
        source.ask(id);
      });
      const snapshot = await within(ANSWER_TIMEOUT_MS, answer).catch(() => undefined);
      if (snapshot && this.#sources.has(source)) this.#sources.set(source, snapshot);
    } finally {
      this.#waiting.delete(id);
    }
  }
}
