/**
 * The metrics of all processes of one service, as one.
 */
import { AggregatorRegistry, type Registry } from 'prom-client';
import { within } from '../../lib/timeout.js';
import type { MetricsSnapshot } from './messages.js';

/** A process that stands still is left out. */
const ANSWER_TIMEOUT_MS = 2_000;

/** A process that can be asked for its metrics. */
export interface MetricsSource {
  ask(id: number): void;
}

export class MetricsPool {
  readonly #own: Registry;
  readonly #sources = new Map<MetricsSource, MetricsSnapshot>();
  readonly #waiting = new Map<number, (snapshot: MetricsSnapshot) => void>();
  /** What processes that ended had counted: a counter never goes back. */
  #retired: MetricsSnapshot = [];
  #requests = 0;

  constructor(own: Registry) {
    this.#own = own;
  }

  add(source: MetricsSource): void {
    this.#sources.set(source, []);
  }

  /** The source ended. */
  async remove(source: MetricsSource): Promise<void> {
    const last = this.#sources.get(source) ?? [];
    this.#sources.delete(source);
    const counted = last.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
    const both = AggregatorRegistry.aggregate([this.#retired, counted]);
    this.#retired = await both.getMetricsAsJSON();
  }

  /** The answer to {@link MetricsSource.ask}. */
  answer(id: number, snapshot: MetricsSnapshot): void {
    this.#waiting.get(id)?.(snapshot);
  }

  /** In Prometheus' text format. */
  async metrics(): Promise<string> {
    const snapshots = await Promise.all(
      [...this.#sources.keys()].map((source) => this.#snapshot(source)),
    );
    const own = await this.#own.getMetricsAsJSON();
    return AggregatorRegistry.aggregate([own, this.#retired, ...snapshots]).metrics();
  }

  async #snapshot(source: MetricsSource): Promise<MetricsSnapshot> {
    const id = this.#requests++;
    try {
      const answer = new Promise<MetricsSnapshot>((resolve) => {
        this.#waiting.set(id, resolve);
        source.ask(id);
      });
      // What it said before keeps its counters from going back.
      const snapshot = await within(ANSWER_TIMEOUT_MS, answer).catch(
        () => this.#sources.get(source) ?? [],
      );
      if (this.#sources.has(source)) this.#sources.set(source, snapshot);
      return snapshot;
    } finally {
      this.#waiting.delete(id);
    }
  }
}
